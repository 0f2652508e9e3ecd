using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
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
/// Creates listeners on event loops. Kestrel finds it among the registered <see cref="IConnectionListenerFactory"/>
/// services; <c>UseEventLoopTransport()</c> registers it.
/// </summary>
/// <remarks>
/// The loops start with the first listener and end when the last listener and the last connection are disposed.
/// </remarks>
public sealed class EventLoopTransportFactory : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly Lock _lock = new();
    private readonly EventLoopTransportOptions _options;
    private readonly EndpointOptionsReader _endPointOptions;
    private readonly EndpointNames _names;
    private readonly IMemoryPoolFactory<byte> _memoryPools;
    private readonly ILoggerFactory _loggerFactory;
    private readonly ILogger _logger;
    private readonly ILogger _connectionLogger;
    private readonly LoopMetrics _metrics;
    private readonly HandOffLog _handOffLog;
    private EventLoopGroup? _group;
    private int _warned;

    /// <summary>
    /// Creates the factory.
    /// </summary>
    /// <param name="options">The transport's options.</param>
    /// <param name="memoryPoolFactory">Makes the memory pools of the loops, one for each.</param>
    /// <param name="meterFactory">Makes the meter.</param>
    /// <param name="loggerFactory">Makes the loggers.</param>
    /// <exception cref="OptionsValidationException">An option is out of range.</exception>
    public EventLoopTransportFactory(
        IOptions<EventLoopTransportOptions> options,
        IMemoryPoolFactory<byte> memoryPoolFactory,
        IMeterFactory meterFactory,
        ILoggerFactory loggerFactory)
        : this(
            (options ?? throw new ArgumentNullException(nameof(options))).Value,
            optionsFactory: null,
            new EndpointNames(configuration: null),
            new EventLoopTransportState(),
            memoryPoolFactory,
            meterFactory,
            loggerFactory)
    {
    }

    /// <param name="options">The transport's options.</param>
    /// <param name="optionsFactory">
    /// Reads them again after a reload; <see langword="null"/> for options that stay.
    /// </param>
    /// <param name="names">The names that endpoints have in Kestrel's configuration.</param>
    /// <param name="state">Shows what the transport is doing.</param>
    /// <param name="memoryPoolFactory">Makes the memory pools of the loops, one for each.</param>
    /// <param name="meterFactory">Makes the meter.</param>
    /// <param name="loggerFactory">Makes the loggers.</param>
    internal EventLoopTransportFactory(
        EventLoopTransportOptions options,
        IOptionsFactory<EventLoopTransportOptions>? optionsFactory,
        EndpointNames names,
        EventLoopTransportState state,
        IMemoryPoolFactory<byte> memoryPoolFactory,
        IMeterFactory meterFactory,
        ILoggerFactory loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(memoryPoolFactory);
        ArgumentNullException.ThrowIfNull(meterFactory);
        ArgumentNullException.ThrowIfNull(loggerFactory);

        _options = options;
        _memoryPools = memoryPoolFactory;
        _loggerFactory = loggerFactory;
        _logger = SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Listening");
        _metrics = new LoopMetrics(meterFactory);
        _handOffLog = new HandOffLog(SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Loops"));
        _connectionLogger = SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Connections");
        _endPointOptions = new EndpointOptionsReader(options, optionsFactory, _logger);
        _names = names;
        State = state;
    }

    /// <summary>What the transport is doing: its listeners, its loops and their connections.</summary>
    public EventLoopTransportState State { get; }

    /// <summary>
    /// Whether this transport serves an endpoint: an <see cref="IPEndPoint"/>, a
    /// <see cref="UnixDomainSocketEndPoint"/> or a <see cref="FileHandleEndPoint"/>, on an operating system with a
    /// poller (Linux, macOS or FreeBSD on x64 or arm64). Elsewhere Kestrel takes its socket transport; so it does for
    /// the descriptor of a socket that is neither of TCP nor a Unix stream socket.
    /// </summary>
    /// <param name="endpoint">The endpoint to bind to.</param>
    /// <returns>Whether <see cref="BindAsync"/> can bind to it.</returns>
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
    /// Binds to an endpoint and listens.
    /// </summary>
    /// <param name="endpoint">
    /// The endpoint to bind to. A <see cref="UnixDomainSocketEndPoint"/> whose path is <c>/@name</c> stands for the
    /// abstract name <c>name</c> (<c>unix(7)</c>), so that the URL <c>http://unix:/@name</c> does.
    /// </param>
    /// <param name="cancellationToken">Not used: binding does not wait.</param>
    /// <returns>The listener.</returns>
    /// <exception cref="AddressInUseException">Somebody else listens on the endpoint.</exception>
    /// <exception cref="SocketException">
    /// The endpoint cannot be bound to for another reason, or an option cannot be set.
    /// </exception>
    /// <exception cref="IOException">
    /// <see cref="EndpointOptions.ConfigureListenSocket"/> threw an exception.
    /// </exception>
    /// <exception cref="InvalidOperationException">A Unix socket's file is to belong to somebody unknown.</exception>
    /// <exception cref="NotSupportedException">The endpoint is of a kind that <see cref="CanBind"/> denies.</exception>
    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
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

        State.Add(listener);
        return listener;
    }

    /// <summary>To be called when the server has bound its endpoints: warns of what has no effect.</summary>
    internal void CheckUse(IServiceProvider services)
    {
        if (services.GetService<IServer>() is null || !Poller.IsSupported)
        {
            return;
        }

        var later = services.GetServices<IConnectionListenerFactory>().SkipWhile(factory => factory != this).Skip(1);
        if (later.LastOrDefault(static factory => factory is SocketTransportFactory or not IConnectionListenerFactorySelector) is { } used)
        {
            OptionsLog.TransportNotUsed(_logger, used.GetType().FullName);
            return;
        }

        foreach (var name in _endPointOptions.FindUnused())
        {
            ListenerLog.EndPointNotBound(_logger, name);
        }
    }

    private EventLoopListener CreateListener(EndPoint endPoint)
    {
        var name = _names.Take(endPoint);
        ListenSocket[] sockets = [];
        EventLoopGroup? group = null;
        try
        {
            var settings = SettingsFor(endPoint, _endPointOptions.Read(endPoint, name));
            sockets = ListenSocketSet.Create(endPoint, settings, _options.EventLoopCount);
            group = AcquireGroup();
            return new EventLoopListener(sockets, group, settings, listener =>
            {
                State.Remove(listener);
                _names.Return(name, endPoint);
            });
        }
        catch
        {
            _names.Return(name, endPoint);
            group?.Release();
            Array.ForEach(sockets, static socket => socket.Close());
            throw;
        }
    }

    private ListenerSettings SettingsFor(EndPoint endPoint, EndpointOptions options)
    {
        var connections = new ConnectionSettings
        {
            MaxWriteBufferSize = options.MaxWriteBufferSize is > 0 and var write ? write : long.MaxValue,
            MaxReadBufferSize = options.MaxReadBufferSize is > 0 and var ahead ? ahead : long.MaxValue,
            MaxReceiveBlocks = options.MaxReadBufferSize is > 0 and var read
                ? (int)Math.Clamp(read / StreamConnection.BlockSize, 1, int.MaxValue)
                : int.MaxValue,
            FinOnError = options.FinOnError,
            CloseMayWait = options.Linger > TimeSpan.Zero || options.ConfigureListenSocket is not null
                || options.ConfigureAcceptedSocket is not null || endPoint is FileHandleEndPoint,
            Logger = _connectionLogger,
        };
        return new ListenerSettings(options, connections, _logger);
    }

    private EventLoopGroup AcquireGroup()
    {
        lock (_lock)
        {
            if (_group is null || !_group.TryAddReference())
            {
                _group = SupervisedLoops.Start(_options, _memoryPools, _metrics, _handOffLog, _loggerFactory);
                State.Group = _group;
            }

            return _group;
        }
    }
}
