namespace KestrelEventLoopTransport.Benchmarks.Server;

internal static class TransportNames
{
    public const string EventLoop = "eventloop";
    public const string Sockets = "sockets";
    public const string SocketsInline = "sockets-inline";
}
