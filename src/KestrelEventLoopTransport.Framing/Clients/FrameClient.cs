using System.Net;
using KestrelEventLoopTransport.Framing.Clients;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Keeps one connection to a server open, and handles it with a <see cref="FrameHandler"/>. When the connection cannot
/// be opened, or ends, the client connects again until it is stopped. All members may be used from any thread.
/// </summary>
/// <remarks>
/// <para>
/// The waits between attempts are those of <see cref="FrameClientOptions.ReconnectDelay"/>. Whatever goes wrong, the
/// client goes on: a failed attempt, a server that closes, a callback that throws.
/// </para>
/// <para>
/// The callbacks are the same as in a server. <see cref="FrameHandler.OnStarted"/> is called when the client starts,
/// and <see cref="FrameHandler.OnStopping"/> when it is about to stop. The connection is closed as by a server that
/// stops: what was written is sent.
/// </para>
/// <para>A client runs once. Create another one to begin anew.</para>
/// </remarks>
public sealed partial class FrameClient : IHostedService, IAsyncDisposable
{
    private static readonly Lazy<IServiceProvider> _noServices = new(
        static () => new ServiceCollection().BuildServiceProvider());

    private readonly IConnectionFactory _factory;
    private readonly FrameCodec _codec;
    private readonly FrameClientOptions _options;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ClientState _state;
    private HandlerStart _handlerStart;

    // Completed while there is a connection. Only the client's task replaces it.
    private volatile TaskCompletionSource<FrameConnection> _connection = NewConnection();

    // The wait of a stop was cancelled.
    private volatile bool _isAbandoned;

    // From when it is open until it is disposed: the endpoint has its connection for a shorter time.
    private ConnectionContext? _transport;
    private HandlerScope? _scope;

    /// <summary>Creates a client. It connects when it is started.</summary>
    /// <param name="factory">Opens the connections.</param>
    /// <param name="remoteEndPoint">The server, of a type that the factory supports.</param>
    /// <param name="codec">
    /// Finds and encodes the frames. To have a codec for each connection, call <see cref="FrameConnection.SwitchCodec(
    /// FrameCodec)"/> in <see cref="FrameHandler.OnConnectedAsync"/>.
    /// </param>
    /// <param name="handler">Handles the connections, one after another. It is not disposed.</param>
    /// <param name="options">Options of the client. Default: those of a new instance.</param>
    /// <param name="services">
    /// Has the logger factory, the clock and the services of connections. Default: none of these.
    /// </param>
    /// <exception cref="ArgumentNullException">
    /// An argument without a default is <see langword="null"/>.
    /// </exception>
    public FrameClient(
        IConnectionFactory factory,
        EndPoint remoteEndPoint,
        FrameCodec codec,
        FrameHandler handler,
        FrameClientOptions? options = null,
        IServiceProvider? services = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(remoteEndPoint);
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(handler);

        services ??= _noServices.Value;
        _factory = factory;
        _codec = codec;
        _options = options ?? new FrameClientOptions();
        RemoteEndPoint = remoteEndPoint;
        Endpoint = new FrameEndpoint(
            handler,
            _options.Handler ?? new FrameHandlerOptions(),
            services,
            (services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(FramingLog.Category),
            services.GetService<TimeProvider>() ?? TimeProvider.System)
        {
            Opened = OnOpened,
            Closed = _ => Lose(),
        };
        _reconnecting = CreateReconnecting();
    }

    internal FrameClient(
        IConnectionFactory factory,
        EndPoint remoteEndPoint,
        FrameCodec codec,
        HandlerScope scope,
        FrameClientOptions? options,
        IServiceProvider services)
        : this(factory, remoteEndPoint, codec, scope.Handler, options, services)
        => _scope = scope;

    /// <summary>The server.</summary>
    public EndPoint RemoteEndPoint { get; }

    /// <summary>The endpoint of the handler's connections. It has one connection at most.</summary>
    public FrameEndpoint Endpoint { get; }

    /// <summary>What the client is doing. It may have changed when this returns.</summary>
    public FrameClientState State => _state.Value;

    /// <summary>
    /// The connection; <see langword="null"/> while there is none. It is there from the moment when
    /// <see cref="FrameHandler.OnConnectedAsync"/> has completed until just before
    /// <see cref="FrameHandler.OnDisconnectedAsync"/>.
    /// </summary>
    public FrameConnection? Connection
        => _connection.Task is { IsCompletedSuccessfully: true, Result: var connection } ? connection : null;

    /// <summary>
    /// Starts to connect, and does not wait for the connection. A client that runs already is left alone.
    /// </summary>
    /// <param name="cancellationToken">Not used: this does not wait.</param>
    /// <exception cref="InvalidOperationException">The client has been stopped.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        switch (_state.Start())
        {
            case ClientAction.Run:
                // Not in the caller's context, which may be that of a request.
                ThreadPool.UnsafeQueueUserWorkItem(
                    static client => _ = client.RunAsync(), this, preferLocal: false);
                break;
            case ClientAction.Refuse:
                throw new InvalidOperationException(
                    "The client has been stopped. A client runs once: create another one.");
        }

        return Task.CompletedTask;
    }

    /// <summary>Starts the client if it has not been started, and waits until it is connected.</summary>
    /// <param name="cancellationToken">Ends the wait. The client goes on.</param>
    /// <returns>The connection. <see cref="FrameHandler.OnConnectedAsync"/> has completed.</returns>
    /// <exception cref="InvalidOperationException">The client has been stopped.</exception>
    /// <exception cref="ConnectionAbortedException">The client is stopped meanwhile.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> is canceled.</exception>
    public async Task<FrameConnection> ConnectAsync(CancellationToken cancellationToken = default)
    {
        await StartAsync(cancellationToken).ConfigureAwait(false);
        return await _connection.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Sends a frame as <see cref="FrameConnection.SendAsync"/> does. While there is no connection, it waits for one. A
    /// frame is sent once: if the connection ends meanwhile, it is not known whether the server has got the frame.
    /// </summary>
    /// <remarks>
    /// Inside of callbacks, use the connection: in <see cref="FrameHandler.OnConnectedAsync"/> this would wait for
    /// itself.
    /// </remarks>
    /// <param name="frame">
    /// The frame as a reader gets it, without prefix or delimiter. It must not change until the task has completed.
    /// </param>
    /// <param name="cancellationToken">Ends the wait for a connection.</param>
    /// <returns>
    /// A task that completes when the transport has taken the frame. It fails as that of
    /// <see cref="FrameConnection.SendAsync"/> does, with a <see cref="ConnectionAbortedException"/> if the client is
    /// stopped, and with an <see cref="OperationCanceledException"/> if the wait is ended.
    /// </returns>
    /// <exception cref="ArgumentException">A reader with the same codec would not get the same frame back.</exception>
    /// <exception cref="NotSupportedException">
    /// The codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public Task SendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken = default)
        => Connection is { } connection ? connection.SendAsync(frame) : WaitAndSendAsync(frame, cancellationToken);

    /// <summary>Sends a frame as <see cref="FrameConnection.TrySend"/> does.</summary>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <returns>
    /// Whether the frame was taken. <see cref="SendResult.Closed"/> also while there is no connection.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="SendAsync"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="SendAsync"/>.</exception>
    public SendResult TrySend(ReadOnlySpan<byte> frame) => Connection?.TrySend(frame) ?? SendResult.Closed;

    /// <summary>
    /// Stops the client: gives up an attempt or a wait, or closes the connection after everything that was sent. Do not
    /// await it inside of a callback, which it waits for.
    /// </summary>
    /// <param name="cancellationToken">
    /// Resets the connection, and ends the wait for callbacks that have not completed. If
    /// <see cref="FrameHandler.OnStarted"/> has not begun by then, no callback is called any more.
    /// </param>
    /// <returns>A task that completes when the client has stopped, or <paramref name="cancellationToken"/> is canceled.
    /// </returns>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        switch (_state.Stop())
        {
            case ClientAction.Close:
                // OnStarted may still run, or not run yet.
                await _started.Task.WaitAsync(cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (_handlerStart.Stop())
                {
                    StopHandler();
                }

                // It runs callbacks of the application, which may block or throw.
                await _stopping.CancelAsync().WaitAsync(cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                break;
            case ClientAction.End:
                Complete();
                break;
        }

        try
        {
            await _stopped.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Abandon();
        }
    }

    /// <summary>
    /// Stops the client as <see cref="StopAsync"/> does. If the wait of a <see cref="StopAsync"/> was canceled, this
    /// does not wait either. Further calls do nothing.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(new CancellationToken(_isAbandoned)).ConfigureAwait(false);
        if (Interlocked.Exchange(ref _scope, null) is { } scope)
        {
            await scope.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task WaitAndSendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        var connection = await _connection.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        await connection.SendAsync(frame).ConfigureAwait(false);
    }

    /// <summary>Resets the connection, also one that is about to begin or has almost ended.</summary>
    private void Abandon()
    {
        // Another stop may still wait for OnStarted.
        _ = _handlerStart.Stop();
        _isAbandoned = true;
        foreach (var connection in Endpoint.Connections)
        {
            connection.Abort(Abandoned().Message);
        }

        // A full fence, see HandleAsync.
        Interlocked.MemoryBarrier();
        Volatile.Read(ref _transport)?.Abort(Abandoned());
    }

    private static ConnectionAbortedException Abandoned()
        => new("The client was stopped and its time to close has passed.");

    private static TaskCompletionSource<FrameConnection> NewConnection()
        => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
