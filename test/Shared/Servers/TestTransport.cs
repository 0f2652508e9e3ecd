using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The transport without Kestrel above it: its factory, listeners and connections as Kestrel would hold them.
/// Disposing it disposes what is left of them and checks that every block came back.
/// </summary>
internal sealed class TestTransport : IAsyncDisposable
{
    private readonly TestSettings _settings;
    private readonly WebApplication _application;
    private readonly ConcurrentQueue<IConnectionListener> _listeners = new();
    private readonly ConcurrentQueue<ConnectedPair> _pairs = new();
    private IConnectionListener? _default;

    public TestTransport(TestSettings settings)
    {
        _settings = settings;
        _application = settings.CreateApplication();
        Factory = _application.Services.GetServices<IConnectionListenerFactory>().Last();
    }

    public TestTransport(ApplicationScheduling scheduling, Action<EventLoopTransportOptions>? configure = null)
        : this(new TestSettings { Scheduling = scheduling, Transport = configure })
    {
    }

    public IConnectionListenerFactory Factory { get; }

    /// <summary>The transport's client, on the same loops.</summary>
    public EventLoopConnectionFactory Client => Services.GetRequiredService<EventLoopConnectionFactory>();

    public IServiceProvider Services => _application.Services;

    public CountingMemoryPoolFactory Pools => _settings.Pools!;

    public CapturedLogs Logs => _settings.Logs;

    public async Task<IConnectionListener> BindAsync(EndPoint? endPoint = null)
    {
        var listener = await Factory.BindAsync(endPoint ?? new IPEndPoint(IPAddress.Loopback, 0)).DefaultTimeout();
        _listeners.Enqueue(listener);
        return listener;
    }

    /// <summary>A connection to a listener of its own, or to <paramref name="listener"/>.</summary>
    public async Task<ConnectedPair> ConnectAsync(
        IConnectionListener? listener = null,
        Action<System.Net.Sockets.Socket>? configure = null)
    {
        listener ??= _default ??= await BindAsync();
        var client = await RawClient.ConnectAsync(listener.EndPoint, configure);
        var connection = await listener.AcceptAsync().DefaultTimeout();
        Assert.NotNull(connection);
        var pair = new ConnectedPair(connection, client);
        _pairs.Enqueue(pair);
        return pair;
    }

    /// <summary>A connection that the transport opens to a plain socket.</summary>
    public async Task<ConnectedPair> DialAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var connection = await Client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        var socket = await listener.AcceptAsync().DefaultTimeout();
        socket.NoDelay = true;
        var pair = new ConnectedPair(connection, new RawClient(socket));
        _pairs.Enqueue(pair);
        return pair;
    }

    public async ValueTask DisposeAsync()
    {
        // Moves to the thread pool: the caller may be on an event loop, and what follows waits for that loop.
        await Task.Yield();
        foreach (var pair in _pairs)
        {
            await pair.DisposeAsync();
        }

        foreach (var listener in _listeners)
        {
            await listener.UnbindAsync().DefaultTimeout();
            await listener.DisposeAsync().DefaultTimeout();
        }

        await _application.DisposeAsync().DefaultTimeout();
        if (_settings.Pools is not null)
        {
            await _settings.Pools.AssertAllReturnedAsync();
        }
    }
}
