namespace KestrelEventLoopTransport.Framing.Tests.Handling;

public enum EndpointKind
{
    EventLoop,
    EventLoopTls,
    Sockets,
    SocketsTls,
}
