namespace KestrelEventLoopTransport.Framing.Tests;

public enum EndpointKind
{
    EventLoop,
    EventLoopTls,
    Sockets,
    SocketsTls,
}
