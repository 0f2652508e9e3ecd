namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// Too many bytes wait for a peer that does not read. It is a type of its own so that it counts as the peer's fault
/// when a callback throws it, and not as an error of the application.
/// </summary>
internal sealed class SlowPeerException(string message) : InvalidOperationException(message);
