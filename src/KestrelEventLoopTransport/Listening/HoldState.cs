using System.Diagnostics;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What an acceptor waits for, one atomic word, and its transitions.</summary>
/// <remarks>
/// <para>
/// <c>AwaitsDescriptor</c>: the acceptor is in the queue of <see cref="DescriptorWaiters"/>. <c>Paused</c>: it does not
/// accept until a descriptor is free or a timer comes. <c>AwaitsRoom</c>: it is in the queue of
/// <see cref="ConnectionLimiter"/>. The accepting thread sets the bits. The thread that takes the acceptor out of a
/// queue clears the bit of that queue; the timer clears <c>Paused</c>.
/// </para>
/// <para>
/// Legal: every combination in which <c>Paused</c> comes with <c>AwaitsDescriptor</c>. A descriptor that becomes free
/// clears both at once, so it cannot be missed between them.
/// </para>
/// </remarks>
internal struct HoldState
{
    private int _word;

    [Flags]
    internal enum State
    {
        None = 0,
        AwaitsDescriptor = 1,
        Paused = 2,
        AwaitsRoom = 4,
    }

    internal readonly bool IsPaused => ((State)Volatile.Read(in _word) & State.Paused) != 0;

    /// <summary>True when the caller has to join the queue of those that wait for a descriptor.</summary>
    internal bool TryAwaitDescriptor() => Move(WithDescriptorAwaited);

    /// <summary>Pauses. False when a descriptor has become free since the acceptor joined the queue.</summary>
    internal bool TryPause() => Move(WithPause);

    /// <summary>The acceptor was taken out of the queue, because there may be a descriptor.</summary>
    internal void EndDescriptorWait() => Move(WithDescriptor);

    /// <summary>The timer has come. The acceptor stays in the queue.</summary>
    internal void EndPause() => Move(WithoutPause);

    /// <summary>True when the caller has to join the queue of those that wait for room.</summary>
    internal bool TryAwaitRoom() => Move(WithRoomAwaited);

    /// <summary>The acceptor was taken out of the queue, because there may be room.</summary>
    internal void EndRoomWait() => Move(WithRoom);

    internal static (State Next, bool Joins) WithDescriptorAwaited(State state)
        => (state | State.AwaitsDescriptor, (state & State.AwaitsDescriptor) == 0);

    internal static (State Next, bool Pauses) WithPause(State state)
        => (state & State.AwaitsDescriptor) != 0 ? (state | State.Paused, true) : (state, false);

    internal static (State Next, bool WasPaused) WithDescriptor(State state)
        => (state & ~(State.AwaitsDescriptor | State.Paused), (state & State.Paused) != 0);

    internal static (State Next, bool WasPaused) WithoutPause(State state)
        => (state & ~State.Paused, (state & State.Paused) != 0);

    internal static (State Next, bool Joins) WithRoomAwaited(State state)
        => (state | State.AwaitsRoom, (state & State.AwaitsRoom) == 0);

    internal static (State Next, bool Waited) WithRoom(State state)
        => (state & ~State.AwaitsRoom, (state & State.AwaitsRoom) != 0);

    internal static bool IsLegal(State state)
        => (state & (State.Paused | State.AwaitsDescriptor)) != State.Paused;

    private bool Move(Func<State, (State Next, bool Result)> transition)
    {
        while (true)
        {
            var state = (State)Volatile.Read(ref _word);
            var (next, result) = transition(state);
            Debug.Assert(IsLegal(next), "A paused acceptor is in the queue.");
            if (Interlocked.CompareExchange(ref _word, (int)next, (int)state) == (int)state)
            {
                return result;
            }
        }
    }
}
