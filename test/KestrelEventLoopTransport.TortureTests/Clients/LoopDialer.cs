using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Opens the connections of one client with the factory under test, and says from which ports before they connect.
/// </summary>
/// <param name="episode">The episode, whose server is the peer whatever endpoint is asked for.</param>
/// <param name="onBound">Gets each port.</param>
internal sealed class LoopDialer(Episode episode, Action<int> onBound) : IConnectionFactory
{
    private static readonly AsyncLocal<Action<int>?> _onBound = new();

    public static void Configure(EventLoopClientOptions options)
    {
        options.AllowHalfClose = true;
        options.ConnectTimeout = Timeout.InfiniteTimeSpan;
        options.ConfigureClientSocket = static context =>
        {
            if (context.EndPoint is IPEndPoint server)
            {
                _onBound.Value!(ClientSocket.Bind(context.Socket, server));
            }
        };
    }

    /// <summary>Whether a connection was not opened because the kernel was short of something.</summary>
    public static bool IsShortage(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if ((exception as SocketException)?.SocketErrorCode
                is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                return true;
            }
        }

        return false;
    }

    public async ValueTask<ConnectionContext> ConnectAsync(
        EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        // The hook runs in the context of this call.
        _onBound.Value = onBound;
        var server = episode.Server!;
        var connection = await server.Clients.ConnectAsync(server.EndPoint, cancellationToken);
        episode.OnProgress();
        episode.OnOpened(connection);
        return connection;
    }
}
