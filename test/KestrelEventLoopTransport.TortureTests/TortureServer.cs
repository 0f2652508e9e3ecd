using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>The server of an episode: <see cref="Serving"/> says what is above the transport.</summary>
internal abstract class TortureServer : IAsyncDisposable
{
    private static readonly TimeSpan _timeWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _retryDelay = TimeSpan.FromMilliseconds(100);

    protected TortureServer(TestSettings settings) => Settings = settings;

    public TestSettings Settings { get; }

    public CountingMemoryPoolFactory Pools => Settings.Pools!;

    public CapturedLogs Logs => Settings.Logs;

    public abstract EndPoint EndPoint { get; }

    /// <summary>Opens connections on the server's loops.</summary>
    public abstract EventLoopConnectionFactory Clients { get; }

    /// <summary>How often a loop was given to another thread.</summary>
    public abstract long HandOffs { get; }

    /// <summary>The transport's factory, from which all its objects can be reached.</summary>
    public abstract object Transport { get; }

    /// <summary>The connections that are being served, where the server knows them.</summary>
    public virtual IEnumerable<object> Served => [];

    public static Task<TortureServer> StartAsync(Episode episode, EndPoint endPoint)
        => episode.Plan.Serving == Serving.Direct
            ? DirectServer.StartAsync(episode, endPoint)
            : KestrelServer.StartAsync(episode, endPoint);

    public abstract Task StopAsync();

    public abstract ValueTask DisposeAsync();

    /// <summary>
    /// Begins again while the address is in use: clients may have used up the ephemeral ports, until theirs leave
    /// TIME_WAIT.
    /// </summary>
    protected static async Task<T> OnceThePortIsFreeAsync<T>(Episode episode, Func<Task<T>> start)
    {
        for (var waited = Stopwatch.StartNew(); ; episode.OnProgress())
        {
            try
            {
                return await start();
            }
            catch (Exception exception) when (IsAddressInUse(exception) && waited.Elapsed < _timeWait * 2)
            {
                await Task.Delay(_retryDelay);
            }
        }
    }

    /// <summary>The factory; null where the suite runs on the stock transport, to see what is not ours.</summary>
    protected static object? FindTransport(IServiceProvider services)
        => services.GetServices<IConnectionListenerFactory>().OfType<EventLoopTransportFactory>().SingleOrDefault();

    protected static void Configure(EpisodePlan plan, EventLoopTransportOptions options)
    {
        options.EventLoopCount = plan.Loops;
        options.Adaptive.MaxStandbyThreads = plan.Standbys;
        options.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(100);
        options.MaxReadBufferSize = plan.MaxReadBufferSize;
        options.MaxWriteBufferSize = plan.MaxWriteBufferSize;
        options.EndpointDefaults.AcceptMode = plan.AcceptMode;
        options.EndpointDefaults.MaxConnections = plan.MaxConnections;
        options.EndpointDefaults.AllowHalfClose = plan.AllowHalfClose;
        if (plan.Limit is { } limit)
        {
            options.EndpointDefaults.IdleTimeout = limit;
            options.EndpointDefaults.ReceiveIdleTimeout = limit;
            options.EndpointDefaults.SendStallTimeout = limit;
            options.EndpointDefaults.FirstByteTimeout = limit;
            options.EndpointDefaults.CloseTimeout = limit;
            options.EndpointDefaults.MaxConnectionLifetime = limit * 20;
        }
    }

    protected static void AddServices(EpisodePlan plan, IServiceCollection services)
    {
        if (plan.LogFails)
        {
            services.AddSingleton<ILoggerProvider>(new FailingLogs(static () => Random.Shared.Next(4) == 0));
        }
    }

    // Kestrel puts it into an IOException.
    private static bool IsAddressInUse(Exception exception)
        => (exception as AddressInUseException ?? exception.InnerException) is AddressInUseException;

    protected static LogLevel LevelOf(EpisodePlan plan) => plan.LogFails ? LogLevel.Debug : LogLevel.Warning;
}
