using System.CommandLine;
using System.Diagnostics;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <summary>Measures the wheel of a loop's timers in this process: nanoseconds per operation.</summary>
internal static class TimersCommand
{
    private const int Rounds = 20;

    // As many milliseconds as an idle time-out has.
    private const int Delay = 30_000;

    public static Command Create()
    {
        var count = new Option<int>("--count") { DefaultValueFactory = static _ => 100_000 };
        var command = new Command("timers", "Arms, moves, cancels and expires timers of a loop.") { count };
        command.SetAction(result => Run(result.GetValue(count)));
        return command;
    }

    private static void Run(int count)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var timers = new Timer[count];
        for (var i = 0; i < count; i++)
        {
            timers[i] = new Timer(Random.Shared.Next(Delay));
        }

        // What Timer has beside: its delay, with padding.
        var memory = GC.GetTotalMemory(forceFullCollection: true) - before - (count * 2L * IntPtr.Size);
        Console.WriteLine($"{count} timers, {memory / (double)count:0} bytes each with the object's header.");
        for (var round = 1; round <= Rounds; round++)
        {
            RunRound(timers, isLast: round == Rounds);
        }
    }

    private static void RunRound(Timer[] timers, bool isLast)
    {
        var wheel = new TimerWheel();
        var arm = Measure(timers, timer => wheel.Add(timer, timer.Delay, now: 0));
        var move = Measure(timers, timer =>
        {
            wheel.Remove(timer);
            wheel.Add(timer, timer.Delay + 1000, now: 0);
        });
        var cancel = Measure(timers, wheel.Remove);
        foreach (var timer in timers)
        {
            wheel.Add(timer, timer.Delay, now: 0);
        }

        var begin = Stopwatch.GetTimestamp();
        while (wheel.Next is var now && now != TimerWheel.Never)
        {
            while (wheel.TryTake(now, out var node))
            {
                if (((Timer)node).Delay > now)
                {
                    wheel.Add(node, ((Timer)node).Delay, now);
                }
            }
        }

        var expire = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / timers.Length;
        if (isLast)
        {
            Console.WriteLine(
                $"ns per timer: arm {arm:0.0}, move {move:0.0}, cancel {cancel:0.0}, expire {expire:0.0}.");
        }
    }

    private static double Measure(Timer[] timers, Action<Timer> operation)
    {
        var begin = Stopwatch.GetTimestamp();
        foreach (var timer in timers)
        {
            operation(timer);
        }

        return Stopwatch.GetElapsedTime(begin).TotalNanoseconds / timers.Length;
    }

    // Only the wheel uses it, so it needs no loop.
    private sealed class Timer(long delay) : LoopTimer(null!)
    {
        internal long Delay => delay;

        protected override long OnDue(long now) => Never;
    }
}
