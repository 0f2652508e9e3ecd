using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;
using KestrelEventLoopTransport.Options.Configuration;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport;

/// <summary>
/// Creates listeners that are served by event loops. <c>UseEventLoopTransport()</c> registers it as an
/// <see cref="IConnectionListenerFactory"/>, which is how Kestrel finds its transports.
/// </summary>
/// <remarks>
/// The loops start with the first listener. They end when the last listener and the last connection are disposed.
/// </remarks>
public sealed class EventLoopTransportFactory
    : IConnectionListenerFactory, IConnectionListenerFactorySelector, IDatagramHost
{
    private readonly EventLoopTransportOptions _options;
    private readonly EndpointOptionsReader _endpointOptions;
    private readonly EndpointNames _names;
    private readonly SharedLoops _loops;
    private readonly ILogger _logger;
    private readonly ILogger _connectionLogger;
    private readonly TimeoutMetrics _timeouts;
    private readonly ListenerMetrics _metrics;
    private int _warned;

    /// <summary>
    /// Creates a factory without dependency injection.
    /// </summary>
    /// <param name="options">The transport's options.</param>
    /// <param name="monitor">Shows what the transport is doing. It belongs to this factory alone.</param>
    /// <param name="memoryPoolFactory">Creates one memory pool for each loop.</param>
    /// <param name="meterFactory">Creates the meter <c>KestrelEventLoopTransport</c>.</param>
    /// <param name="loggerFactory">Creates the loggers.</param>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="OptionsValidationException">
    /// An option is out of range. Thrown by <paramref name="options"/> if it validates its value, as the one that
    /// <c>AddEventLoopTransport()</c> registers does.
    /// </exception>
    public EventLoopTransportFactory(
        IOptions<EventLoopTransportOptions> options,
        EventLoopTransportMonitor monitor,
        IMemoryPoolFactory<byte> memoryPoolFactory,
        IMeterFactory meterFactory,
        ILoggerFactory loggerFactory)
        : this(
            (options ?? throw new ArgumentNullException(nameof(options))).Value,
            optionsFactory: null,
            new EndpointNames(configuration: null),
            monitor ?? throw new ArgumentNullException(nameof(monitor)),
            new SharedLoops(
                options.Value,
                memoryPoolFactory ?? throw new ArgumentNullException(nameof(memoryPoolFactory)),
                meterFactory ?? throw new ArgumentNullException(nameof(meterFactory)),
                loggerFactory ?? throw new ArgumentNullException(nameof(loggerFactory)),
                (Action<EventLoopGroup>)monitor.OnLoopsStarted + new ConnectionMetrics(meterFactory).OnLoopsStarted),
            new TimeoutMetrics(meterFactory),
            new ListenerMetrics(meterFactory),
            loggerFactory)
    {
    }

    /// <param name="options">The transport's options.</param>
    /// <param name="optionsFactory">
    /// Reads the options again after a reload; <see langword="null"/> if they never change.
    /// </param>
    /// <param name="names">The names of endpoints in Kestrel's configuration.</param>
    /// <param name="monitor">Shows what the transport is doing.</param>
    /// <param name="loops">The loops, which clients may share.</param>
    /// <param name="timeouts">Counts connections that a limit ends.</param>
    /// <param name="metrics">Shows what the listeners count.</param>
    /// <param name="loggerFactory">Creates the loggers.</param>
    internal EventLoopTransportFactory(
        EventLoopTransportOptions options,
        IOptionsFactory<EventLoopTransportOptions>? optionsFactory,
        EndpointNames names,
        EventLoopTransportMonitor monitor,
        SharedLoops loops,
        TimeoutMetrics timeouts,
        ListenerMetrics metrics,
        ILoggerFactory loggerFactory)
    {
        _options = options;
        _loops = loops;
        _logger = SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Listening");
        _timeouts = timeouts;
        _metrics = metrics;
        _connectionLogger = SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Connections");
        _endpointOptions = new EndpointOptionsReader(options, optionsFactory, _logger);
        _names = names;
        Monitor = monitor;
    }

    /// <summary>Shows what the transport is doing.</summary>
    internal EventLoopTransportMonitor Monitor { get; }

    /// <summary>
    /// Returns whether this transport can serve an endpoint. If it cannot, Kestrel uses its socket transport for it.
    /// </summary>
    /// <remarks>
    /// The transport serves every <see cref="IPEndPoint"/> and <see cref="UnixDomainSocketEndPoint"/>, and a
    /// <see cref="FileHandleEndPoint"/> whose descriptor is a TCP socket or a Unix stream socket. It serves them on
    /// Linux, macOS and FreeBSD on x64 or arm64; on other systems it serves nothing, and logs one warning.
    /// </remarks>
    /// <param name="endpoint">The endpoint to bind.</param>
    /// <returns>Whether <see cref="BindAsync"/> can bind the endpoint.</returns>
    public bool CanBind(EndPoint endpoint)
    {
        if (endpoint is not (IPEndPoint or UnixDomainSocketEndPoint or FileHandleEndPoint))
        {
            return false;
        }

        if (!Poller.IsSupported && Interlocked.Exchange(ref _warned, 1) == 0)
        {
            ListenerLog.NotSupported(_logger);
        }

        if (Poller.IsSupported && endpoint is FileHandleEndPoint handle && !SocketKind.IsServed(handle))
        {
            ListenerLog.DescriptorLeft(_logger, handle.FileHandle);
            return false;
        }

        return Poller.IsSupported;
    }

    /// <summary>
    /// Binds an endpoint and starts to listen on it.
    /// </summary>
    /// <param name="endpoint">
    /// The endpoint to bind. A <see cref="UnixDomainSocketEndPoint"/> with the path <c>/@name</c> is bound to the
    /// abstract name <c>name</c> (<c>unix(7)</c>), so that the URL <c>http://unix:/@name</c> works.
    /// </param>
    /// <param name="cancellationToken">Not used, because binding does not wait.</param>
    /// <returns>The listener.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="endpoint"/> is <see langword="null"/>.</exception>
    /// <exception cref="AddressInUseException">Another socket listens on the endpoint.</exception>
    /// <exception cref="SocketException">
    /// The endpoint cannot be bound for another reason, or the system does not have or does not permit an option.
    /// </exception>
    /// <exception cref="IOException">
    /// <see cref="EndpointOptions.ConfigureListenSocket"/> threw an exception.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The user or the group in <see cref="EndpointOptions.Unix"/> does not exist.
    /// </exception>
    /// <exception cref="NotSupportedException"><see cref="CanBind"/> is false for the endpoint.</exception>
    /// <exception cref="OptionsValidationException">
    /// The configuration was reloaded, and its options of this endpoint are new and not valid.
    /// </exception>
    public async ValueTask<IConnectionListener> BindAsync(
        EndPoint endpoint,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);

        var listener = CreateListener(endpoint);
        try
        {
            listener.Start();
        }
        catch
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        Monitor.Add(listener);
        _metrics.Add(listener);
        return listener;
    }

    /// <summary>
    /// Logs a warning if this transport is not used, and for options of endpoints that are not bound. Called when the
    /// server has bound its endpoints.
    /// </summary>
    internal void CheckUse(IServiceProvider services)
    {
        if (services.GetService<IServer>() is null || !Poller.IsSupported)
        {
            return;
        }

        var later = services.GetServices<IConnectionListenerFactory>().SkipWhile(factory => factory != this).Skip(1);
        if (later.LastOrDefault(TakesEveryEndpoint) is { } used)
        {
            OptionsLog.TransportNotUsed(_logger, used.GetType().FullName);
            return;
        }

        foreach (var name in _endpointOptions.FindUnused())
        {
            ListenerLog.EndPointNotBound(_logger, name);
        }
    }

    private static bool TakesEveryEndpoint(IConnectionListenerFactory factory)
        => factory is SocketTransportFactory or not IConnectionListenerFactorySelector;

    private EventLoopListener CreateListener(EndPoint endPoint)
    {
        var name = _names.Take(endPoint);
        ListenSocket[] sockets = [];
        EventLoopGroup? group = null;
        try
        {
            var settings = SettingsFor(endPoint, _endpointOptions.Read(endPoint, name));
            sockets = ListenSocketSet.Create(endPoint, settings, _options.EventLoopCount);
            group = _loops.Acquire();
            return new EventLoopListener(
                sockets,
                group,
                settings,
                onStopped: listener =>
                {
                    Monitor.Remove(listener);
                    _names.Return(name, endPoint);
                },
                _metrics.Settle);
        }
        catch
        {
            _names.Return(name, endPoint);
            group?.Release();
            Array.ForEach(sockets, static socket => socket.Close());
            throw;
        }
    }

    private ListenerContext SettingsFor(EndPoint endPoint, EndpointOptions options)
    {
        var closeMayWait = options.Linger > TimeSpan.Zero || options.ConfigureListenSocket is not null
            || options.ConfigureAcceptedSocket is not null || endPoint is FileHandleEndPoint;
        var connections = ConnectionSettings.From(options, _timeouts, closeMayWait, _connectionLogger);
        return new ListenerContext(options, connections, _logger) { TcpInfo = _metrics.TcpInfo };
    }

    EventLoopGroup IDatagramHost.AcquireGroup() => _loops.Acquire();

    void IDatagramHost.Add(DatagramEndpoint endpoint) => Monitor.Add(endpoint);

    void IDatagramHost.Remove(DatagramEndpoint endpoint) => Monitor.Remove(endpoint);
}
