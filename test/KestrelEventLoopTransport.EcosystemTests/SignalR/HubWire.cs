namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>What SignalR's messages travel in. Server-sent events carry text only, so no MessagePack.</summary>
public enum HubWire
{
    WebSockets,
    WebSocketsMessagePack,
    ServerSentEvents,
    LongPolling,
    LongPollingMessagePack,
}
