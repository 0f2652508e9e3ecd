using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Both ends of one connection: the transport's and the peer's.</summary>
internal sealed class ConnectedPair(ConnectionContext connection, RawClient client) : IAsyncDisposable
{
    public ConnectionContext Connection => connection;

    public RawClient Client => client;

    public PipeReader Input { get; } = connection.Transport.Input;

    public PipeWriter Output { get; } = connection.Transport.Output;

    public void Deconstruct(out ConnectionContext context, out RawClient peer)
        => (context, peer) = (connection, client);

    public async ValueTask DisposeAsync()
    {
        await Task.Yield();
        client.Dispose();
        await connection.DisposeAsync().DefaultTimeout();
    }
}
