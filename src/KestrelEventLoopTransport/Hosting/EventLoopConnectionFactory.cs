using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Dialing;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops.Adaptive;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport;

/// <summary>
/// Opens connections that are served by event loops. <c>AddEventLoopClient()</c> registers it, also as the
/// <see cref="IConnectionFactory"/> of the services.
/// </summary>
/// <remarks>
/// <para>
/// Neither a listener nor Kestrel is needed. If there is one in the same services, both share the loops. The loops
/// start with the first connection, and end when the factory, the last listener and the last connection are disposed.
/// The services dispose the factory that they have made. All members are thread-safe.
/// </para>
/// <para>
/// A connection is the same as an accepted one: the same pipes, features and guarantees. The caller owns it and has to
/// dispose of it.
/// </para>
/// </remarks>
public sealed class EventLoopConnectionFactory : IConnectionFactory, IDisposable, IAsyncDisposable
{
    private readonly Dialer _dialer;
    private readonly NameResolver _resolver;
    private readonly DatagramMetrics _datagrams;

    /// <param name="options">The client's own copy of its options.</param>
    /// <param name="loops">The loops.</param>
    /// <param name="timeouts">Counts connections that a limit ends.</param>
    /// <param name="metrics">Counts the dials.</param>
    /// <param name="datagrams">Shows what datagram clients count.</param>
    /// <param name="loggerFactory">Creates the loggers.</param>
    /// <param name="resolver">Resolves names; <see langword="null"/> for the system's resolver.</param>
    internal EventLoopConnectionFactory(
        EventLoopClientOptions options,
        SharedLoops loops,
        TimeoutMetrics timeouts,
        DialMetrics metrics,
        DatagramMetrics datagrams,
        ILoggerFactory loggerFactory,
        NameResolver? resolver = null)
    {
        _datagrams = datagrams;
        _resolver = resolver ?? Dns.GetHostAddressesAsync;
        var sockets = options.ToSocketOptions();
        var settings = ConnectionSettings.From(
            sockets,
            timeouts,
            closeMayWait: options.Linger > TimeSpan.Zero || options.ConfigureClientSocket is not null,
            Diagnostics.SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Connections"),
            areAccepted: false);
        var context = new DialContext(
            options, settings, _resolver, metrics, DescriptorWaiters.WakeNext);
        _dialer = new Dialer(context, loops.Acquire);
    }

    /// <summary>The loop that the calling thread runs, or <see langword="null"/>.</summary>
    internal IEventLoopFeature? CurrentLoop => _dialer.FindCurrent()?.Feature;

    /// <summary>Whether a feature is of one of the factory's loops.</summary>
    internal bool Owns(IEventLoopFeature loop) => _dialer.Find(loop) is not null;

    /// <summary>Opens a connection.</summary>
    /// <remarks>
    /// <para>
    /// The addresses of a name are tried as RFC 8305 ("happy eyeballs") says, IPv6 and IPv4 in turn: see
    /// <see cref="EventLoopClientOptions.FallbackDelay"/>. The first that connects wins; the other sockets are closed.
    /// No thread is kept meanwhile. What awaits the connection goes on on its loop, like what awaits a read; what
    /// awaits a failure, on the thread pool. A connection to a loopback address or a Unix socket is often there when
    /// the call returns, and then its caller goes on as it was. If a Unix listener had no room at first, that is on the
    /// thread pool.
    /// </para>
    /// <para>
    /// If no address connects, the exception has the error of the first one, and its message names every attempt. A
    /// timeout is a <see cref="SocketException"/> too, so that one handler covers all failures of the network.
    /// </para>
    /// </remarks>
    /// <param name="endpoint">
    /// An <see cref="IPEndPoint"/>, a <see cref="DnsEndPoint"/>, a <see cref="UnixDomainSocketEndPoint"/> (with the
    /// path <c>/@name</c>, or a leading zero, for the abstract name <c>name</c>), or a <see cref="FileHandleEndPoint"/>
    /// for a socket that is connected already. Its descriptor is duplicated: the caller keeps its own. Both are of one
    /// socket, which becomes non-blocking, and which the end of the connection shuts down.
    /// </param>
    /// <param name="cancellationToken">Gives the connection up, with all attempts.</param>
    /// <returns>The connection.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="endpoint"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">The descriptor's number is larger than any that there can be.</exception>
    /// <exception cref="SocketException">
    /// The name cannot be resolved, no address accepts the connection, or <see cref="SocketError.TimedOut"/>:
    /// <see cref="EventLoopClientOptions.ConnectTimeout"/> has passed, or the kernel has given up.
    /// </exception>
    /// <exception cref="IOException">
    /// <see cref="EventLoopClientOptions.ConfigureClientSocket"/> threw an exception, which is the inner one.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> is canceled.</exception>
    /// <exception cref="NotSupportedException">The endpoint is of another type.</exception>
    /// <exception cref="ObjectDisposedException">The factory is disposed.</exception>
    /// <exception cref="PlatformNotSupportedException">The system has neither epoll nor kqueue.</exception>
    public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken)
        => ConnectAsync(endpoint, options: null, cancellationToken);

    /// <summary>Opens a connection with options of its own.</summary>
    /// <param name="endpoint">The same as for the other overload.</param>
    /// <param name="options">
    /// What this call does differently. Default: <see langword="null"/>: nothing. For a socket that is connected
    /// already, only <see cref="EventLoopConnectOptions.Loop"/> counts.
    /// </param>
    /// <param name="cancellationToken">Gives the connection up, with all attempts.</param>
    /// <returns>The connection.</returns>
    /// <inheritdoc cref="ConnectAsync(EndPoint, CancellationToken)" path="/remarks"/>
    /// <inheritdoc cref="ConnectAsync(EndPoint, CancellationToken)" path="/exception"/>
    public ValueTask<ConnectionContext> ConnectAsync(
        EndPoint endpoint, EventLoopConnectOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ThrowIfNotSupported();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ConnectionContext>(cancellationToken);
        }

        return endpoint switch
        {
            IPEndPoint or DnsEndPoint or UnixDomainSocketEndPoint
                => new(_dialer.ConnectAsync(endpoint, options, cancellationToken)),
            FileHandleEndPoint { FileHandle: > int.MaxValue } handle => throw new ArgumentException(
                $"Descriptor {handle.FileHandle} is out of range; it must be at most {int.MaxValue}.",
                nameof(endpoint)),
            FileHandleEndPoint handle
                => new(_dialer.Enroll((int)handle.FileHandle, isShared: true, options?.Loop)),
            _ => throw new NotSupportedException(
                $"An endpoint of type {endpoint.GetType()} cannot be connected to by event loops."),
        };
    }

    /// <summary>
    /// Makes a connection of a connected socket (gnet: <c>Enroll</c>). On return the loop knows the connection.
    /// </summary>
    /// <param name="socket">
    /// A connected TCP or Unix stream socket. On success it is disposed: the connection has a descriptor of its own.
    /// No asynchronous operation of it may be pending.
    /// </param>
    /// <returns>The connection.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="socket"/> is <see langword="null"/>.</exception>
    /// <exception cref="ObjectDisposedException">The socket or the factory is disposed.</exception>
    /// <exception cref="SocketException">The socket is not connected, or descriptors are short.</exception>
    /// <exception cref="NotSupportedException">The socket is of another kind.</exception>
    /// <exception cref="PlatformNotSupportedException">The system has neither epoll nor kqueue.</exception>
    public ConnectionContext Enroll(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ThrowIfNotSupported();
        ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);

        // The reference keeps another thread that disposes of the socket from giving the number to another file.
        var handle = socket.SafeHandle;
        var isReferenced = false;
        ConnectionContext connection;
        try
        {
            handle.DangerousAddRef(ref isReferenced);
            connection = _dialer.Enroll((int)handle.DangerousGetHandle(), isShared: false);
        }
        finally
        {
            if (isReferenced)
            {
                handle.DangerousRelease();
            }
        }

        socket.Dispose();
        return connection;
    }

    /// <summary>Opens a UDP socket with one peer (<c>connect(2)</c>). Nothing is sent.</summary>
    /// <remarks>
    /// Of the addresses of a name the first is taken that there is a route to. The options of the client are those of
    /// connections, and do not count here.
    /// </remarks>
    /// <param name="endpoint">An <see cref="IPEndPoint"/> or a <see cref="DnsEndPoint"/>.</param>
    /// <param name="configure">
    /// Sets options of the socket. Those that are about receiving from many peers have no effect.
    /// </param>
    /// <param name="cancellationToken">Ends the search for the addresses of a name.</param>
    /// <returns>The client. The caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="endpoint"/> is <see langword="null"/>.</exception>
    /// <exception cref="SocketException">
    /// The name cannot be resolved, there is no route to any address, or the kernel refuses an option.
    /// </exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of range.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> is canceled.</exception>
    /// <exception cref="NotSupportedException">
    /// The endpoint is of another type, or <see cref="DatagramEndpointOptions.SocketPerLoop"/> is set.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The factory is disposed.</exception>
    /// <exception cref="PlatformNotSupportedException">The system has neither epoll nor kqueue.</exception>
    public async ValueTask<DatagramClient> ConnectDatagramAsync(
        EndPoint endpoint,
        Action<DatagramEndpointOptions>? configure = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ThrowIfNotSupported();
        cancellationToken.ThrowIfCancellationRequested();
        switch (endpoint)
        {
            case IPEndPoint address:
                return DatagramClient.Connect(address, configure, _datagrams, _dialer.AcquireLoops);
            case DnsEndPoint name:
                var addresses = await _resolver(name.Host, name.AddressFamily, cancellationToken).ConfigureAwait(false);
                return DatagramClient.Connect(addresses, name, configure, _datagrams, _dialer.AcquireLoops);
            default:
                throw new NotSupportedException(
                    $"An endpoint of type {endpoint.GetType()} cannot be the peer of a datagram client.");
        }
    }

    /// <summary>
    /// Gives the loops up. No connection can be opened any more; those that are open, and calls that are under way, are
    /// not ended. The loops end with the last of them, if no listener and no other client needs them. Does not wait.
    /// </summary>
    public void Dispose() => _ = _dialer.CloseAsync();

    /// <summary>
    /// The same. Completes when the threads of the loops have ended, if nothing but this factory needed them; at once
    /// otherwise.
    /// </summary>
    /// <returns>A task that completes as described.</returns>
    public ValueTask DisposeAsync() => new(_dialer.CloseAsync());

    private static void ThrowIfNotSupported()
    {
        if (!Poller.IsSupported)
        {
            throw new PlatformNotSupportedException(
                "The event-loop client needs Linux, macOS or FreeBSD on x64 or arm64.");
        }
    }
}
