using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Loops without sockets. Disposing it stops them and waits for their threads.</summary>
internal sealed class LoopSubject : IAsyncDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly EventLoopGroup _group;
    private bool _released;

    public LoopSubject(ApplicationScheduling scheduling, Action<EventLoopTransportOptions>? configure = null)
    {
        var options = new EventLoopTransportOptions { EventLoopCount = 1, Scheduling = scheduling };
        configure?.Invoke(options);
        _group = SupervisedLoops.Start(
            options,
            new CountingMemoryPoolFactory(),
            new LoopMetrics(_services.GetRequiredService<IMeterFactory>()),
            new HandOffLog(NullLogger.Instance),
            NullLoggerFactory.Instance);
    }

    public IServiceProvider Services => _services;

    public EventLoop Loop => _group.Loops[0];

    /// <summary>Stops the loops. The task ends when their threads have.</summary>
    public Task StopAsync()
    {
        if (!_released)
        {
            _released = true;
            _group.Release();
        }

        return _group.Stopped;
    }

    /// <summary>Posts work and waits until it has run on the loop's thread.</summary>
    public async Task RunAsync(Action work)
    {
        var item = new WorkItem(work);
        Loop.Post(item);
        await item.Ran.DefaultTimeout();
    }

    /// <summary>Application code, as the supervisor sees it.</summary>
    public static WorkItem Callback(Action work, Action? onOverdue = null) => new(() =>
    {
        Assert.NotNull(ThreadActivity.Current);
        using var scope = CallbackScope.Enter(new Target(onOverdue));
        work();
    });

    public async ValueTask DisposeAsync()
    {
        // Not on a thread of the loop.
        await Task.Yield();
        await StopAsync().DefaultTimeout();
        await _services.DisposeAsync();
    }

    private sealed class Target(Action? onOverdue) : IDispatchTarget
    {
        public void OnOverdue() => onOverdue?.Invoke();

        public string Describe() => "a test";
    }
}
