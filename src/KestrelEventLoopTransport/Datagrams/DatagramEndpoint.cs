using System.Net;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport;

/// <summary>
/// A datagram endpoint that is bound. A live object: each property returns its current value. All members are
/// thread-safe.
/// </summary>
public sealed class DatagramEndpoint
{
    private readonly DatagramSocket[] _sockets;
    private readonly EventLoopGroup _group;
    private Task? _stopped;

    private DatagramEndpoint(DatagramSocket[] sockets, EventLoopGroup group)
    {
        _sockets = sockets;
        _group = group;
    }

    /// <summary>
    /// The address that the endpoint is bound to. If port 0 was requested, this is the port that the kernel chose.
    /// </summary>
    public IPEndPoint EndPoint => _sockets[0].EndPoint;

    /// <summary>
    /// Sends from the endpoint, on any thread. With <see cref="DatagramEndpointOptions.SocketPerLoop"/> it is the first
    /// socket's.
    /// </summary>
    public DatagramSender Sender => _sockets[0].Sender;

    /// <summary>Number of datagrams that have been received.</summary>
    public long ReceivedDatagrams => Sum(static socket => socket.Received);

    /// <summary>Number of datagrams that the kernel has taken.</summary>
    public long SentDatagrams => Sum(static socket => socket.Output.Sent);

    /// <summary>
    /// Number of datagrams that were not sent because the socket and the queue were full, or because the endpoint has
    /// stopped.
    /// </summary>
    public long DroppedSends => Sum(static socket => socket.Output.Dropped);

    /// <summary>Number of datagrams that the kernel has refused to send.</summary>
    public long FailedSends => Sum(static socket => socket.Output.Failed);

    /// <summary>
    /// Number of datagrams that the kernel has dropped because its receive buffer was full (<c>SO_RXQ_OVFL</c>,
    /// <c>socket(7)</c>), as of the last datagram received. Always 0 on systems other than Linux.
    /// </summary>
    public long KernelDrops => Sum(static socket => socket.KernelDrops);

    /// <summary>The loop of the first socket.</summary>
    internal EventLoop Loop => _sockets[0].Loop;

    /// <summary>Binds an endpoint. It does not receive before <see cref="Start"/>.</summary>
    /// <param name="endPoint">The address.</param>
    /// <param name="options">The options, which have been checked.</param>
    /// <param name="handler">The application's code.</param>
    /// <param name="group">The loops. The endpoint owns one reference when this returns.</param>
    internal static DatagramEndpoint Bind(
        IPEndPoint endPoint, DatagramEndpointOptions options, DatagramHandler handler, EventLoopGroup group)
    {
        var count = options.SocketPerLoop ? group.Loops.Length : 1;
        var bound = BoundDatagramSocket.Bind(endPoint, options, count);
        try
        {
            var sockets = new DatagramSocket[count];
            for (var i = 0; i < count; i++)
            {
                var loop = count == 1 ? group.NextForAcceptor() : group.Loops[i];
                sockets[i] = new DatagramSocket(bound[i], loop, handler, options);
            }

            return new DatagramEndpoint(sockets, group);
        }
        catch
        {
            // No memory for the buffers. None of the sockets is in use yet.
            Array.ForEach(bound, static socket => socket.Close());
            throw;
        }
    }

    /// <summary>Begins to receive. If that fails, the caller stops the endpoint.</summary>
    internal void Start() => Array.ForEach(_sockets, static socket => socket.Start());

    /// <summary>
    /// Stops receiving, and releases the loops. Completes when calls of the handler have returned.
    /// </summary>
    internal Task StopAsync() => _stopped ??= StopOnceAsync();

    private async Task StopOnceAsync()
    {
        Array.ForEach(_sockets, static socket => socket.Stop());
        await Task.WhenAll(_sockets.Select(static socket => socket.Closed)).ConfigureAwait(false);
        if (_group.Release())
        {
            await _group.Stopped.ConfigureAwait(false);
        }
    }

    private long Sum(Func<DatagramSocket, long> count)
    {
        long sum = 0;
        foreach (var socket in _sockets)
        {
            sum += count(socket);
        }

        return sum;
    }
}
