using KestrelEventLoopTransport.Dialing;

namespace KestrelEventLoopTransport;

/// <summary>
/// The handler of an <see cref="HttpClient"/> or <see cref="HttpMessageInvoker"/> with a pool of connections for each
/// event loop. A request that is sent on a loop's thread, as by a request handler of the server, goes over a connection
/// of that loop: the answer comes on the same thread, and no other thread is woken. On other threads,
/// <see cref="HttpRequestMessageEventLoopExtensions.SetEventLoop"/> names the loop of a request.
/// </summary>
/// <remarks>
/// <para>
/// Other requests share one more pool, whose connections take the loops in turn. With
/// <see cref="ApplicationScheduling.ThreadPool"/> these are all that name no loop.
/// </para>
/// <para>
/// Each pool is a <see cref="SocketsHttpHandler"/>, made when it is first needed. Limits such as
/// <see cref="SocketsHttpHandler.MaxConnectionsPerServer"/> hold for each pool by itself. Cookies are shared only if
/// all handlers get the same <see cref="SocketsHttpHandler.CookieContainer"/>.
/// </para>
/// </remarks>
public sealed class EventLoopHttpHandler : HttpMessageHandler
{
    private readonly Lock _lock = new();
    private readonly EventLoopConnectionFactory _connections;
    private readonly Func<SocketsHttpHandler> _createHandler;

    // By the loop's number; the first is for all other threads.
    private HttpMessageInvoker?[] _pools = [];
    private bool _isDisposed;

    /// <summary>Makes the handler. It opens no connection yet.</summary>
    /// <param name="connections">Opens the connections.</param>
    /// <param name="createHandler">
    /// Makes the handler of a pool, with its settings; its <see cref="SocketsHttpHandler.ConnectCallback"/> is
    /// replaced. It is called once per pool, by one thread at a time, and has to return a new handler each time.
    /// Default: <see langword="null"/>: handlers with default settings.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="connections"/> is <see langword="null"/>.</exception>
    public EventLoopHttpHandler(
        EventLoopConnectionFactory connections, Func<SocketsHttpHandler>? createHandler = null)
    {
        ArgumentNullException.ThrowIfNull(connections);

        _connections = connections;
        _createHandler = createHandler ?? (static () => new SocketsHttpHandler());
    }

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
        => ChoosePool(request).SendAsync(request, cancellationToken);

    /// <inheritdoc/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        => ChoosePool(request).Send(request, cancellationToken);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_lock)
            {
                _isDisposed = true;
                foreach (var pool in _pools)
                {
                    pool?.Dispose();
                }
            }
        }

        base.Dispose(disposing);
    }

    private HttpMessageInvoker ChoosePool(HttpRequestMessage request)
    {
        // In this order: to look at the options of a request allocates.
        var loop = _connections.CurrentLoop ?? GetNamedLoop(request);
        var index = loop is null ? 0 : loop.Index + 1;
        var pools = Volatile.Read(ref _pools);
        return index < pools.Length && pools[index] is { } pool ? pool : GetPool(index, loop);
    }

    /// <summary>A loop of other services has a number that means another loop here: it counts as none.</summary>
    private IEventLoopFeature? GetNamedLoop(HttpRequestMessage request)
        => request.GetEventLoop() is { } named && _connections.Owns(named) ? named : null;

    private HttpMessageInvoker GetPool(int index, IEventLoopFeature? loop)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (index >= _pools.Length)
            {
                // Others read without the lock: what they see does not change its length.
                var pools = new HttpMessageInvoker?[index + 1];
                _pools.CopyTo(pools, 0);
                Volatile.Write(ref _pools, pools);
            }

            return _pools[index] ??= CreatePool(new EventLoopConnectOptions { Loop = loop });
        }
    }

    private HttpMessageInvoker CreatePool(EventLoopConnectOptions options)
    {
        var handler = _createHandler();
        handler.ConnectCallback = async (context, cancellationToken) => new ConnectionStream(
            await _connections.ConnectAsync(context.DnsEndPoint, options, cancellationToken).ConfigureAwait(false));
        return new HttpMessageInvoker(handler);
    }
}
