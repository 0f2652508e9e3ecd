namespace KestrelEventLoopTransport.TortureTests;

/// <summary>What is above the transport.</summary>
internal enum Serving
{
    /// <summary>The test itself: its factory, listener and connections as Kestrel would hold them.</summary>
    Direct,

    /// <summary>Kestrel with a connection handler.</summary>
    Kestrel,

    /// <summary>Kestrel with HTTP/1.1, pipelined.</summary>
    Http1,

    /// <summary>Kestrel with HTTP/2.</summary>
    Http2,
}
