namespace KestrelEventLoopTransport.Framing.Tests.Handling;

public static class EndpointKindExtensions
{
    public static bool IsTls(this EndpointKind kind) => kind is EndpointKind.EventLoopTls or EndpointKind.SocketsTls;

    public static bool IsEventLoop(this EndpointKind kind)
        => kind is EndpointKind.EventLoop or EndpointKind.EventLoopTls;
}
