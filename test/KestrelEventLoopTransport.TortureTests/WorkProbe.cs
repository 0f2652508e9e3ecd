using System.Diagnostics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Tests.Loops;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Posts work to the loops of a server while it is tortured and while it stops: all of it runs in the end. Other events
/// would wake a loop that has lost its own, so there is a second look when nothing else happens any more.
/// </summary>
internal sealed class WorkProbe
{
    // Of work posted to a loop that is about to sleep, one piece after another.
    private static readonly TimeSpan _quietLength = TimeSpan.FromMilliseconds(60);

    private readonly Episode _episode;
    private readonly EventLoopGroup _group;
    private readonly Task _stopped;

    public WorkProbe(Episode episode, EventLoopGroup group)
    {
        _episode = episode;
        _group = group;
        _stopped = group.Stopped;
    }

    private delegate void Posting(EventLoop loop, WorkItem item);

    private static (string Name, Posting Post)[] Postings { get; } =
    [
        ("posted", static (loop, item) => loop.Post(item)),
        ("posted twice", static (loop, item) => loop.Post(new WorkItem(() => loop.Post(item)))),
        ("posted for the pool", static (loop, item) => loop.Callbacks.Post(item)),
        ("posted by the pool", static (loop, item) => loop.Callbacks.Post(new WorkItem(() => loop.Post(item)))),
        ("yielded", static (loop, item) => loop.Callbacks.Yield(item)),
        ("scheduled", static (loop, item) => DelayedWork.Schedule(loop, item, Random.Shared.Next(3))),
    ];

    /// <summary>Ends when the loops have ended, and a little later.</summary>
    public async Task RunAsync()
    {
        var loops = _group.Loops.ToArray();
        await Task.WhenAll(loops.Select(loop => Task.Run(() => RunAsync(loop))));
    }

    /// <summary>While nothing else happens.</summary>
    public Task RunQuietlyAsync()
    {
        var loops = _group.Loops.ToArray();
        return Task.WhenAll(
            loops.Select(loop => Task.Factory.StartNew(() => RunQuietly(loop), TaskCreationOptions.LongRunning)));
    }

    private async Task RunAsync(EventLoop loop)
    {
        for (var i = 0; ; i++)
        {
            // Once more when the loops have ended.
            var hasEnded = _stopped.IsCompleted;
            var (name, post) = Postings[i % Postings.Length];
            var item = new WorkItem(static () => { });
            post(loop, item);
            if (!await HasRunAsync(item, mayBeDropped: name == "scheduled"))
            {
                _episode.Fail($"Work was {name} to loop {loop.Index} and has not run for "
                    + $"{Watchdog.Patience.TotalSeconds} seconds.");
                return;
            }

            if (hasEnded && i % Postings.Length == 0)
            {
                return;
            }

            await Task.Delay(Random.Shared.Next(4));
        }
    }

    /// <summary>Timers are dropped when the loop ends.</summary>
    private async Task<bool> HasRunAsync(WorkItem item, bool mayBeDropped)
    {
        var patience = Task.Delay(Watchdog.Patience);
        return await Task.WhenAny(mayBeDropped ? [item.Ran, _stopped, patience] : [item.Ran, patience]) != patience;
    }

    private void RunQuietly(EventLoop loop)
    {
        var ran = 0;
        var item = new WorkItem(() => Volatile.Write(ref ran, ran + 1));
        var start = Stopwatch.GetTimestamp();
        for (var round = 1; Stopwatch.GetElapsedTime(start) < _quietLength; round++)
        {
            var posted = Stopwatch.GetTimestamp();
            loop.Post(item);
            for (var wait = default(SpinWait); Volatile.Read(ref ran) != round; wait.SpinOnce(sleep1Threshold: -1))
            {
                if (Stopwatch.GetElapsedTime(posted) > Watchdog.Patience)
                {
                    _episode.Fail($"Work posted to loop {loop.Index}, which had nothing else to do, has not run for "
                        + $"{Watchdog.Patience.TotalSeconds} seconds.");
                    return;
                }
            }

            _episode.OnProgress();
            Thread.SpinWait(round % 64);
        }
    }
}
