using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Descriptors.UnixSockets;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Options.Validation;

namespace KestrelEventLoopTransport;

/// <summary>
/// A datagram endpoint that is bound. A live object: each property returns its current value. All members are
/// thread-safe.
/// </summary>
public sealed class DatagramEndpoint
{
    private readonly DatagramSocket[] _sockets;
    private readonly EventLoopGroup _group;
    private readonly OwnedUnixFile? _file;
    private Task? _stopped;

    private DatagramEndpoint(DatagramSocket[] sockets, OwnedUnixFile? file, EventLoopGroup group)
    {
        _file = file;
        _sockets = sockets;
        _group = group;
    }

    /// <summary>
    /// The address that the endpoint is bound to: an <see cref="IPEndPoint"/>, with the port that the kernel chose if
    /// port 0 was requested, or a <see cref="UnixDomainSocketEndPoint"/>.
    /// </summary>
    public EndPoint EndPoint => _sockets[0].EndPoint;

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

    internal DatagramCounts Counts
        => new(ReceivedDatagrams, SentDatagrams, DroppedSends, FailedSends, KernelDrops);

    /// <summary>Receives a multicast group from now on.</summary>
    /// <param name="group">The group.</param>
    /// <exception cref="ArgumentNullException"><paramref name="group"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">The group is not a valid one.</exception>
    /// <exception cref="SocketException">
    /// The kernel refuses: the endpoint has joined the group already, there is no such interface, or the socket has too
    /// many groups (<c>net.ipv4.igmp_max_memberships</c>).
    /// </exception>
    /// <exception cref="ObjectDisposedException">The endpoint has stopped.</exception>
    public void JoinGroup(MulticastGroup group) => ChangeGroup(group, MulticastSocket.Join);

    /// <summary>Ends what <see cref="JoinGroup"/> or <see cref="MulticastOptions.Groups"/> have begun.</summary>
    /// <param name="group">A group that has been joined, with the same interface and source.</param>
    /// <exception cref="ArgumentNullException"><paramref name="group"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">The group is not a valid one.</exception>
    /// <exception cref="SocketException">The endpoint has not joined the group.</exception>
    /// <exception cref="ObjectDisposedException">The endpoint has stopped.</exception>
    public void LeaveGroup(MulticastGroup group) => ChangeGroup(group, MulticastSocket.Leave);

    /// <summary>Binds an endpoint. It does not receive before <see cref="Start"/>.</summary>
    /// <param name="endPoint">The address.</param>
    /// <param name="options">The options, which have been checked.</param>
    /// <param name="handler">The application's code.</param>
    /// <param name="group">The loops. The endpoint owns one reference when this returns.</param>
    internal static DatagramEndpoint Bind(
        EndPoint endPoint, DatagramEndpointOptions options, DatagramHandler handler, EventLoopGroup group)
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

            return new DatagramEndpoint(sockets, bound[0].File, group);
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

    private void ChangeGroup(MulticastGroup group, Action<int, AddressFamily, MulticastGroup> change)
    {
        ArgumentNullException.ThrowIfNull(group);
        foreach (var (option, problem) in DatagramEndpointOptionsValidator.Check(group))
        {
            throw new ArgumentException($"{option} is {problem}.", nameof(group));
        }

        var socket = _sockets[0];
        ObjectDisposedException.ThrowIf(!socket.TryAddReference(), this);
        try
        {
            change(socket.Fd, EndPoint.AddressFamily, group);
        }
        finally
        {
            socket.ReleaseReference();
        }
    }

    private async Task StopOnceAsync()
    {
        // The file goes first: once the socket is closed, another process may bind to the path.
        _file?.Delete();
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
