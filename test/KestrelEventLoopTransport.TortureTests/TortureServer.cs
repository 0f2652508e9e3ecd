using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>The server of an episode: <see cref="Serving"/> says what is above the transport.</summary>
internal abstract class TortureServer : IAsyncDisposable
{
    protected TortureServer(TestSettings settings) => Settings = settings;

    public TestSettings Settings { get; }

    public CountingMemoryPoolFactory Pools => Settings.Pools!;

    public CapturedLogs Logs => Settings.Logs;

    public abstract EndPoint EndPoint { get; }

    /// <summary>How often a loop was given to another thread.</summary>
    public abstract long HandOffs { get; }

    /// <summary>The transport's factory, from which all its objects can be reached.</summary>
    public abstract object Transport { get; }

    /// <summary>The connections that are being served, where the server knows them.</summary>
    public virtual IEnumerable<object> Served => [];

    public static Task<TortureServer> StartAsync(Episode episode, EndPoint endPoint)
        => episode.Plan.Serving == Serving.Direct ? DirectServer.StartAsync(episode, endPoint) : KestrelServer.StartAsync(episode, endPoint);

    public abstract Task StopAsync();

    public abstract ValueTask DisposeAsync();

    /// <summary>The factory; null where the suite runs on the stock transport, to see what is not ours.</summary>
    protected static object? FindTransport(IServiceProvider services)
        => services.GetServices<IConnectionListenerFactory>().OfType<EventLoopTransportFactory>().SingleOrDefault();

    protected static void Configure(EpisodePlan plan, EventLoopTransportOptions options)
    {
        options.EventLoopCount = plan.Loops;
        options.MaxStandbyThreads = plan.Standbys;
        options.HandOffThreshold = TimeSpan.FromMicroseconds(100);
        options.MaxReadBufferSize = plan.MaxReadBufferSize;
        options.MaxWriteBufferSize = plan.MaxWriteBufferSize;
        options.AcceptMode = plan.AcceptMode;
        options.MaxConnections = plan.MaxConnections;
    }

    protected static void AddServices(EpisodePlan plan, IServiceCollection services)
    {
        if (plan.LogFails)
        {
            services.AddSingleton<ILoggerProvider>(new FailingLogs(static () => Random.Shared.Next(4) == 0));
        }
    }

    protected static LogLevel LevelOf(EpisodePlan plan) => plan.LogFails ? LogLevel.Debug : LogLevel.Warning;
}
