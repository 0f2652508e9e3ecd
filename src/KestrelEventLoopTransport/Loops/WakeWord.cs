using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A <see cref="WakeState"/> that the owner of a loop and the threads that post to it move at the same time.
/// </summary>
internal struct WakeWord
{
    private int _value;

    /// <summary>Whether the calling thread is the one that runs the loop.</summary>
    internal readonly bool IsOwner => Read().Owner == Environment.CurrentManagedThreadId;

    internal readonly bool HasEnded => Read().HasEnded;

    /// <summary>
    /// The calling thread has enqueued work. A full fence unless that thread is the owner, also if the state stays what
    /// it is.
    /// </summary>
    internal WakeAction Post()
    {
        var thread = Environment.CurrentManagedThreadId;
        while (true)
        {
            var state = Read();
            var (next, action) = state.Post(thread);
            if (state.Owner == thread || TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>
    /// The owner has polled. An atomic operation only if a wake-up is pending: a thread that makes it pending later
    /// wakes the loop.
    /// </summary>
    internal void Poll()
    {
        while (true)
        {
            var state = Read();
            if (!state.IsPending || TryMove(state, state.Poll()))
            {
                return;
            }
        }
    }

    /// <summary>The calling thread runs the loop from here on. A full fence.</summary>
    internal void Own()
    {
        while (true)
        {
            var state = Read();
            Debug.Assert(!state.HasEnded, "A loop that has ended does not run again.");
            if (TryMove(state, state.Own(Environment.CurrentManagedThreadId)))
            {
                return;
            }
        }
    }

    /// <summary>The calling thread has lost the loop. It is not the owner any more, if it still is.</summary>
    internal void Leave()
    {
        while (true)
        {
            var state = Read();
            var next = state.Leave(Environment.CurrentManagedThreadId);
            if (next == state || TryMove(state, next))
            {
                return;
            }
        }
    }

    /// <summary>The owner gives the loop away. A full fence.</summary>
    internal void Disown()
    {
        Debug.Assert(IsOwner, "Only the owner gives a loop away.");
        Interlocked.Exchange(ref _value, WakeState.Disowned.Value);
    }

    /// <summary>The loop has ended. A full fence.</summary>
    internal void End() => Interlocked.Exchange(ref _value, WakeState.Ended.Value);

    private readonly WakeState Read() => new(Volatile.Read(in _value));

    private bool TryMove(WakeState from, WakeState to)
    {
        Debug.Assert(to.IsLegal, "Legal states are listed in WakeState.");
        return Interlocked.CompareExchange(ref _value, to.Value, from.Value) == from.Value;
    }
}
