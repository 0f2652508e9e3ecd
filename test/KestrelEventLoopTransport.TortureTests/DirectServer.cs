using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>The transport as Kestrel would use it, under the test's own hand.</summary>
/// <remarks>Not a <see cref="TestTransport"/>, whose calls must not fail: here each may meet a fault.</remarks>
internal sealed class DirectServer : TortureServer
{
    // At worst one attempt in twelve succeeds: three loops and three listeners make fifteen calls.
    private const int BindAttempts = 1000;
    private const int PoolFailsOneIn = 200;

    private readonly Episode _episode;
    private readonly LoopInstruments _instruments;
    private readonly WebApplication _application;
    private readonly IConnectionListener _listener;
    private readonly ConcurrentDictionary<ConnectionContext, Task> _serving = new();
    private readonly Task _accepting;

    private DirectServer(
        Episode episode, TestSettings settings, WebApplication application, IConnectionListener listener)
        : base(settings)
    {
        _episode = episode;
        _application = application;
        _listener = listener;
        Clients = application.Services.GetRequiredService<EventLoopConnectionFactory>();
        _instruments = new LoopInstruments(application.Services);
        Transport = FindTransport(application.Services)!;
        _accepting = Task.Run(AcceptAsync);
    }

    public override EventLoopConnectionFactory Clients { get; }

    public override EndPoint EndPoint => _listener.EndPoint;

    public override object Transport { get; }

    public override IEnumerable<object> Served => _serving.Keys;

    public override long HandOffs => _instruments.HandOffs;

    public static new async Task<TortureServer> StartAsync(Episode episode, EndPoint endPoint)
    {
        var plan = episode.Plan;
        var settings = new TestSettings
        {
            Scheduling = plan.Scheduling,
            MinimumLevel = LevelOf(plan),
            Transport = options => Configure(plan, options),
            Client = LoopDialer.Configure,
        };
        settings.Services = services =>
        {
            AddServices(plan, services);
            if (plan.PoolFails)
            {
                services.AddSingleton<IMemoryPoolFactory<byte>>(new FailingMemoryPoolFactory(
                    settings.Pools!, static () => Random.Shared.Next(PoolFailsOneIn) == 0));
            }
        };
        var application = settings.CreateApplication();
        var factory = (IConnectionListenerFactory)FindTransport(application.Services)!;
        FaultyLibc.Start(plan.Seed, plan.Mix);
        return new DirectServer(
            episode, settings, application, await OnceThePortIsFreeAsync(episode, () => BindAsync(factory, endPoint)));
    }

    public override async Task StopAsync()
    {
        await _listener.UnbindAsync();
        _episode.State = "unbound";
        await _accepting;
        _episode.State = "accepted the last";
        if (_episode.Plan.StopsEarly)
        {
            foreach (var connection in _serving.Keys)
            {
                connection.Abort(new ConnectionAbortedException("The torture test stops."));
            }
        }

        await Task.WhenAll(_serving.Values);
    }

    public override async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        _instruments.Dispose();
        await _application.DisposeAsync();
    }

    private static async Task<IConnectionListener> BindAsync(IConnectionListenerFactory factory, EndPoint endPoint)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await factory.BindAsync(endPoint);
            }
            catch (SocketException) when (attempt < BindAttempts)
            {
                // The kernel was short of something.
            }
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (await _listener.AcceptAsync() is { } connection)
            {
                _episode.OnProgress();
                _episode.OnOpened(connection);
                _serving[connection] = Task.CompletedTask;
                var serving = Task.Run(() => ServeAsync(connection));
                _serving.TryUpdate(connection, serving, Task.CompletedTask);
            }

            if (!_episode.Stopping)
            {
                _episode.Fail("AcceptAsync returned null before the listener was unbound.");
            }
        }
        catch (Exception exception)
        {
            _episode.Fail($"AcceptAsync threw: {exception}");
        }
    }

    private async Task ServeAsync(ConnectionContext connection)
    {
        Conversation? conversation = null;
        try
        {
            conversation = await ConversationServer.RunAsync(_episode, connection);
            await connection.DisposeAsync();
            if (conversation is { AwaitsClosed: true })
            {
                _episode.Fail($"ConnectionClosed has not fired, and dispose is through: {conversation}");
            }
        }
        catch (Exception exception)
        {
            _episode.Fail($"{conversation}: {exception}");
        }

        if (conversation is not null)
        {
            conversation.Disposed = true;
        }

        _episode.OnProgress();
        _serving.TryRemove(connection, out _);
    }
}
