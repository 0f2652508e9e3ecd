namespace KestrelEventLoopTransport;

/// <summary>Options of the status page, which <c>MapEventLoopStatus</c> adds to an application.</summary>
public sealed class EventLoopStatusOptions
{
    /// <summary>
    /// Whether the page has a button that aborts a connection. Default: <see langword="false"/>. Each abort is logged.
    /// </summary>
    public bool AllowAbort { get; set; }
}
