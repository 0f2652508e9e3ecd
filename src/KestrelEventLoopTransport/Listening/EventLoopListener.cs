using System.Net;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>One bound endpoint.</summary>
internal sealed class EventLoopListener : IConnectionListener
{
    private readonly EventLoopGroup _group;
    private readonly Acceptor _acceptor;
    private int _disposed;

    /// <param name="socket">The listening socket; the listener owns it.</param>
    /// <param name="group">The loops. The listener owns one reference, taken by the caller.</param>
    /// <param name="acceptor">The socket's acceptor.</param>
    internal EventLoopListener(ListenSocket socket, EventLoopGroup group, Acceptor acceptor)
    {
        EndPoint = socket.EndPoint;
        _group = group;
        _acceptor = acceptor;
    }

    public EndPoint EndPoint { get; }

    public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        => _acceptor.AcceptAsync(cancellationToken);

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => new(_acceptor.Stop());

    public async ValueTask DisposeAsync()
    {
        await _acceptor.Stop().ConfigureAwait(false);
        if (Interlocked.Exchange(ref _disposed, 1) == 0 && _group.Release())
        {
            await _group.Stopped.ConfigureAwait(false);
        }
    }
}
