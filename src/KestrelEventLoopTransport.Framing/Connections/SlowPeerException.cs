namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// Too much waits for a peer that does not read. A type of its own, so that a callback which lets it through is not
/// taken for a faulty one: it is the peer's doing.
/// </summary>
internal sealed class SlowPeerException(string message) : InvalidOperationException(message);
