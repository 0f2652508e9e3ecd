using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Where handlers stop, each keeping its thread, until the test lets them go on. A test disposes it before its server,
/// which could not stop while handlers are here.
/// </summary>
internal sealed class Roadblock : IDisposable
{
    // Longer than any wait of a test, which would otherwise end well because the handler gave up.
    private static readonly TimeSpan _longest = TaskTimeoutExtensions.Default * 3;

    private readonly ManualResetEventSlim _opened = new();
    private readonly ConcurrentQueue<string?> _threads = new();

    /// <summary>Names of the threads that came here.</summary>
    public IReadOnlyCollection<string?> Threads => _threads;

    /// <summary>How many handlers have come here.</summary>
    public int Arrived => _threads.Count;

    /// <summary>Blocks the calling thread.</summary>
    public void Block()
    {
        _threads.Enqueue(Thread.CurrentThread.Name);
        if (!_opened.Wait(_longest))
        {
            throw new TimeoutException("The test never let the handler go on.");
        }
    }

    /// <summary>Keeps the calling thread busy.</summary>
    public void Compute()
    {
        _threads.Enqueue(Thread.CurrentThread.Name);
        var end = Environment.TickCount64 + (long)_longest.TotalMilliseconds;
        while (!_opened.IsSet)
        {
            if (Environment.TickCount64 > end)
            {
                throw new TimeoutException("The test never let the handler go on.");
            }
        }
    }

    public void Open() => _opened.Set();

    public Task UntilArrivedAsync(int count)
        => Poll.UntilAsync(() => Arrived >= count, () => $"{Arrived} of {count} handlers arrived.");

    /// <summary>Opens it, as a handler may still be here. What it waits on is left to the collector.</summary>
    public void Dispose() => Open();
}
