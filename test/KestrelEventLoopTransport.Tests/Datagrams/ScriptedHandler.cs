using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>A handler as an application would write it, with its state from dependency injection.</summary>
internal sealed class ScriptedHandler(DatagramScript script) : DatagramHandler, IDisposable
{
    public override void OnStarted(DatagramEndpoint endpoint)
    {
        script.Endpoint = endpoint;
        script.OnStarted();
    }

    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
        => script.OnDatagrams(datagrams, sender);

    public override void OnError(SocketError socketError, DatagramAddress remoteAddress)
        => script.Errors.Enqueue((socketError, remoteAddress));

    public void Dispose() => script.IsDisposed = true;
}
