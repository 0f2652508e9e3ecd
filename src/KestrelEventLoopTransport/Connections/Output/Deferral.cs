namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>When the bytes of a flush are sent.</summary>
internal enum Deferral
{
    /// <summary>At once.</summary>
    None,

    /// <summary>
    /// When the dispatch ends, when the reader has run out of input, or when the supervisor finds the dispatch overdue.
    /// </summary>
    Cork,

    /// <summary>When a work item runs that is queued now.</summary>
    Queue,
}
