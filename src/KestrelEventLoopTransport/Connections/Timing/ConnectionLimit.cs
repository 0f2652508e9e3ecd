namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>A limit that a connection has reached. The names are those of the options.</summary>
internal enum ConnectionLimit
{
    None,
    IdleTimeout,
    ReceiveIdleTimeout,
    SendStallTimeout,
    FirstByteTimeout,
    CloseTimeout,
    MaxConnectionLifetime,
}
