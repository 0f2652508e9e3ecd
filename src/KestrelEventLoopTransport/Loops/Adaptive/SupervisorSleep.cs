using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// How the supervisor sleeps, and what keeps it from sleeping too long. It is awake, so that it looks at every tick, or
/// a loop does in its place; or it is half-awake.
/// </summary>
/// <remarks>
/// <para>
/// A half-awake supervisor sleeps for a rest, or without an end. When application code begins, its thread notes the
/// time, and sets the clock if no look is due within a rest. The clock stays set when the code returns, and serves
/// what begins until then. So a request costs two system calls if it is alone (to set the clock, and to wake), and none
/// if the supervisor looks anyway. When nothing begins, nothing wakes.
/// </para>
/// <para>
/// No callback is overlooked. A thread that begins application code, or leaves a callback to the pool, writes its
/// activity or the queue first and then reads the word. While the supervisor is awake, that is a hot path without a
/// fence. The supervisor that falls half-awake says so and then makes the earlier writes of all threads visible: the
/// process-wide barrier stands in for the fence. From then on both sides have fences of their own: the supervisor
/// disarms before it looks, and the thread writes before it arms.
/// </para>
/// </remarks>
/// <param name="pace">How long to sleep.</param>
internal sealed class SupervisorSleep(SupervisorPace pace)
{
    // A stop waits for the end of a sleep that is shorter than this.
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(20);

    private SupervisorClock _clock = null!;
    private WatchWord _watch;
    private long _nextWatch = long.MaxValue;
    private volatile bool _stopping;

    /// <summary>Whether the supervisor is to end.</summary>
    internal bool IsStopping => _stopping;

    /// <summary>Whether what begins has to call <see cref="Arm"/>.</summary>
    internal bool IsDrowsy => _watch.IsDrowsy;

    /// <summary>
    /// After how many looks since which nothing has run the half-awake supervisor sleeps without an end.
    /// </summary>
    internal int QuietLooks => _clock.QuietLooks;

    private bool IsTimeToWatch => Stopwatch.GetTimestamp() >= Volatile.Read(ref _nextWatch);

    internal void Start() => _clock = SupervisorClock.Create();

    internal void Dispose() => _clock.Dispose();

    /// <summary>Ends a sleep soon, and all later ones. Any thread may call after <see cref="Start"/>.</summary>
    internal void Stop()
    {
        _stopping = true;
        _clock.Set(TimeSpan.FromTicks(1));
    }

    /// <summary>Any thread's, when the supervisor is half-awake: it is to look within a rest.</summary>
    internal void Arm()
    {
        if (_watch.TryArm())
        {
            SetClock(pace.Rest);
        }
    }

    /// <summary>True when a loop is to look now, until <see cref="EndLook"/>. Between two callbacks.</summary>
    internal bool TryBeginLook()
    {
        if (!_watch.IsOpen || !IsTimeToWatch || !_watch.TryBeginLook())
        {
            return false;
        }

        // Another loop may have looked meanwhile.
        if (IsTimeToWatch)
        {
            return true;
        }

        _watch.EndLook();
        return false;
    }

    /// <summary>The loop has looked.</summary>
    /// <param name="isCalm">Whether the supervisor may sleep on for a tick.</param>
    internal void EndLook(bool isCalm)
    {
        if (isCalm)
        {
            SetForTick();
        }
        else
        {
            // Once is enough: the supervisor comes.
            Volatile.Write(ref _nextWatch, long.MaxValue);
        }

        _watch.EndLook();
    }

    /// <summary>The supervisor's, awake: sleeps for one tick after the last look, its own or a loop's.</summary>
    /// <param name="isCalm">Whether loops may look meanwhile.</param>
    internal void SleepForTick(bool isCalm)
    {
        if (!isCalm || !_clock.IsMovable)
        {
            SleepFor(pace.Tick);
            return;
        }

        SetForTick();
        _watch.Open();
        _clock.Wait();
        _watch.Close();
    }

    /// <summary>The supervisor's: it is half-awake. It looks next, after <see cref="BeginDrowsyLook"/>.</summary>
    internal void FallDrowsy()
    {
        _watch.FallDrowsy();
        Interlocked.MemoryBarrierProcessWide();
    }

    /// <summary>The supervisor's, half-awake: it looks. What begins from now on arms it.</summary>
    internal void BeginDrowsyLook() => _watch.Disarm();

    /// <summary>The supervisor's, half-awake: sleeps for a time, unless something has begun since the look.</summary>
    internal void Rest(TimeSpan duration)
    {
        if (_watch.TryArm())
        {
            SleepFor(duration);
        }
    }

    /// <summary>The supervisor's, half-awake: sleeps until application code has begun, and for a rest more.</summary>
    internal void RestUntilArmed()
    {
        // The clock may be set from before.
        do
        {
            _clock.Wait();
        }
        while (!_watch.IsArmed && !_stopping);
    }

    /// <summary>The supervisor's: it is awake.</summary>
    internal void WakeUp() => _watch.WakeUp();

    // To leave the clock alone saves a system call. A wait for it can be cut short.
    private void SleepFor(TimeSpan duration)
    {
        if (duration < _short)
        {
            SupervisorClock.Sleep(duration);
        }
        else
        {
            SetClock(duration);
            _clock.Wait();
        }
    }

    private void SetForTick()
    {
        var half = (long)(pace.Tick.TotalSeconds * Stopwatch.Frequency) / 2;
        Volatile.Write(ref _nextWatch, Stopwatch.GetTimestamp() + half);
        SetClock(pace.Tick);
    }

    private void SetClock(TimeSpan delay)
    {
        _clock.Set(delay);
        if (_stopping)
        {
            // The time that the stop has set may be lost.
            _clock.Set(TimeSpan.FromTicks(1));
        }
    }
}
