using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>A wheel that is run as a loop runs it, with a clock of its own, beside a list of its timers.</summary>
internal sealed class Wheel(long now)
{
    private readonly TimerWheel _wheel = new();
    private readonly List<Timer> _armed = [];

    public long Next => _wheel.Next;

    public long NextDue => _wheel.FindNextDue();

    /// <summary>How many timers the wheel has given out, the same one again included.</summary>
    public int Looks { get; private set; }

    /// <summary>How often <see cref="RunTo"/> has slept.</summary>
    public int Wakes { get; private set; }

    /// <summary>
    /// Whether no timer was early, none is overdue, and the wheel wants to be looked at in time and only if need be.
    /// </summary>
    public bool IsRight { get; private set; } = true;

    public Timer Add(long due)
    {
        var timer = new Timer(due);
        _armed.Add(timer);
        File(timer);
        return timer;
    }

    public void Remove(Timer timer)
    {
        _armed.Remove(timer);
        _wheel.Remove(timer);
    }

    public void Advance(long to) => now = to;

    /// <summary>Runs what is due now.</summary>
    public void RunDue()
    {
        while (_wheel.TryTake(now, out var node))
        {
            var timer = (Timer)node;
            Looks++;
            IsRight &= timer is { IsLinked: false, Next: null, Previous: null };
            if (timer.Due > now)
            {
                File(timer);
            }
            else
            {
                timer.FiredAt = now;
                _armed.Remove(timer);
            }
        }

        Check();
        IsRight &= _armed.All(timer => timer.Due > now) && _wheel.Next > now;
    }

    /// <summary>Sleeps and runs until nothing is armed, or until a time. False when something is still armed.</summary>
    public bool RunTo(long end)
    {
        RunDue();
        while (_wheel.FindNextDue() <= end)
        {
            now = _wheel.FindNextDue();
            Wakes++;
            RunDue();
        }

        now = Math.Max(now, end == TimerWheel.Never - 1 ? now : end);
        RunDue();
        return _armed.Count == 0;
    }

    public void RunAll() => RunTo(TimerWheel.Never - 1);

    /// <summary>One random operation.</summary>
    public void Do(Random random)
    {
        var timer = _armed.Count == 0 ? null : _armed[random.Next(_armed.Count)];
        switch (random.Next(6))
        {
            case 0 or 1:
                Add(now - 5 + Delay(random));
                break;
            case 2 when timer is not null:
                Remove(timer);
                break;
            case 3 when timer is not null:
                _wheel.Remove(timer);
                timer.Due = now + Delay(random);
                File(timer);
                break;
            case 4:
                now += Delay(random) / 4;
                RunDue();
                break;
            case 5 when _wheel.Next != TimerWheel.Never:
                // A turn that was cut short, and then the rest.
                now = Math.Max(now, random.Next(2) == 0 ? _wheel.Next : _wheel.FindNextDue());
                if (_wheel.TryTake(now, out var node))
                {
                    File((Timer)node);
                }

                break;
        }

        Check();
    }

    private static long Delay(Random random) => random.NextInt64(1L << random.Next(1, 34));

    private void File(Timer timer)
    {
        var looksAt = _wheel.Add(timer, timer.Due, now);
        IsRight &= looksAt <= Math.Max(timer.Due, now) && looksAt >= _wheel.Next;
    }

    private void Check()
    {
        var first = _armed.Count == 0 ? TimerWheel.Never : Math.Max(_armed.Min(static timer => timer.Due), now);
        IsRight &= _wheel.NextDue >= _wheel.Next
            && _wheel.FindNextDue() <= first
            && _wheel.FindNextDue() >= _wheel.Next
            && _wheel.NextDue == _wheel.FindNextDue()
            && _wheel.Next == TimerWheel.Never == (_armed.Count == 0);
    }

    internal sealed class Timer(long due) : TimerNode
    {
        public long Due { get; set; } = due;

        internal override long DueAt => Due;

        public long? FiredAt { get; set; }
    }
}
