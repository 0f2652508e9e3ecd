namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>Where the reader stands between a read and its <c>AdvanceTo</c>.</summary>
internal enum ReadPhase : byte
{
    /// <summary>The next call is a read.</summary>
    None,

    /// <summary>The last read was cancelled or brought nothing: the reader may read again without advancing.</summary>
    Tentative,

    /// <summary>The last read returned bytes or the end: the reader has to advance first.</summary>
    Reading,
}
