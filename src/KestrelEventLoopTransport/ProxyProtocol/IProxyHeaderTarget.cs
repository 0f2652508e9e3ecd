namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>
/// Gets a connection back that has waited for its header. One of the methods is called, once, and gets the descriptor.
/// </summary>
internal interface IProxyHeaderTarget
{
    /// <summary>The header is there. Called where the application's code may run.</summary>
    void OnHeader(ProxyHeaderReader reader, ProxyProtocolHeader header);

    /// <summary>There will be no header. Called by the thread that runs the loop.</summary>
    void OnNoHeader(ProxyHeaderReader reader, in ProxyHeaderProblem problem);
}
