using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>A <see cref="TimerState"/> that a loop and the threads that set its timer move at the same time.</summary>
internal struct TimerWord()
{
    private long _value = TimerState.Idle.LooksAt;

    internal readonly TimerState Read() => new(Volatile.Read(in _value));

    /// <summary>The timer has been set. True when the caller has to make the loop look.</summary>
    internal bool TryClaim(long due)
    {
        while (true)
        {
            var state = Read();
            var (next, claims) = state.Set(due);
            if (!claims || TryMove(state, next))
            {
                return claims;
            }
        }
    }

    /// <summary>The timer's slot has begun, or it is not wanted any more. True when the caller has to look.</summary>
    internal bool TryTake()
    {
        while (true)
        {
            var state = Read();
            var (next, claims) = state.Take();
            if (!claims || TryMove(state, next))
            {
                return claims;
            }
        }
    }

    /// <summary>A look ends. A full fence.</summary>
    internal void File(long looksAt)
    {
        Debug.Assert(Read().IsClaimed, "Only the thread that looks files a timer.");
        Interlocked.Exchange(ref _value, TimerState.File(looksAt).LooksAt);
    }

    private bool TryMove(TimerState from, TimerState to)
    {
        Debug.Assert(to.IsLegal, "Legal states are listed in TimerState.");
        return Interlocked.CompareExchange(ref _value, to.LooksAt, from.LooksAt) == from.LooksAt;
    }
}
