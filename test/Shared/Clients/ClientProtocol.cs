namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// What a client speaks with the server.
/// </summary>
public enum ClientProtocol
{
    Http1,
    Http1OverTls,
    Http2PriorKnowledge,
    Http2OverTls,
}
