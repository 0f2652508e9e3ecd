using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Descriptors;
using static KestrelEventLoopTransport.Connections.Input.InputFlags;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The transitions of <see cref="InputState"/>, as pure functions from one state to the next. Those that every read
/// makes are inlined into the compare-and-swap loops around them.
/// </summary>
internal static class InputTransitions
{
    /// <summary>Sets flags that end a wait.</summary>
    internal static InputFlags SetAndUnpark(InputFlags state, InputFlags flags) => (state | flags) & ~Parked;

    /// <summary>Clears a flag, if it is set.</summary>
    internal static bool TryClear(InputFlags state, InputFlags flag, out InputFlags next)
    {
        next = state & ~flag;
        return (state & flag) != 0;
    }

    /// <summary>
    /// Parks the read, unless there is a reason to go on. A thread that is busy resumes the read when it is done, so
    /// what it is about to answer is no such reason.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryPark(InputFlags state, out InputFlags next)
    {
        next = state | Parked;
        var wakes = (state & Busy) == 0 ? Wakes : Interrupted;
        return (state & wakes) == 0;
    }

    /// <summary>
    /// The loop reports an edge. It ends a wait. If no read waits, the edge is watched, unless a thread is busy or a
    /// read is about to be resumed: they answer it.
    /// </summary>
    /// <param name="state">The state before.</param>
    /// <param name="flags"><see cref="Ready"/>, and what else the edge told.</param>
    /// <param name="claims">Whether a read that waits is resumed by queued work.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static InputFlags OnEdge(InputFlags state, InputFlags flags, bool claims)
    {
        var next = (state | flags) & ~Parked;
        if ((state & Parked) != 0)
        {
            return claims ? next | Claimed : next;
        }

        return (state & (Busy | Claimed | Ended)) == 0 ? next | Watched : next;
    }

    /// <summary>Begins a receive that answers an edge.</summary>
    /// <param name="state">The state before.</param>
    /// <param name="unless">Flags that forbid it, besides those that forbid any call.</param>
    /// <param name="next">The state after.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryBeginReceive(InputFlags state, InputFlags unless, out InputFlags next)
    {
        var begins = ReadinessTransitions.TryBeginCall(CallOf(state), out var call);
        next = With(state, call);
        return begins && (state & unless) == 0;
    }

    /// <summary>
    /// Begins to take what is held. That is no system call, and so allowed after a stop. Not when the reader is
    /// completed: then it is freed.
    /// </summary>
    internal static bool TryBeginTake(InputFlags state, out InputFlags next)
    {
        next = state | Busy;
        return (state & (Held | Busy | Completed)) == Held;
    }

    /// <summary>
    /// Ends a receive or a taking. A read that has parked meanwhile and can go on is claimed. An edge that is left
    /// unanswered is watched if <paramref name="watches"/>, if it came meanwhile, or if the connection is broken:
    /// then it is answered whatever room there is.
    /// </summary>
    /// <param name="state">The state before.</param>
    /// <param name="set">Flags that describe what was received, or what is left.</param>
    /// <param name="clear">Flags that are no longer true.</param>
    /// <param name="watches">Whether to watch an edge that was there before.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static InputFlags EndReceive(InputFlags state, InputFlags set, InputFlags clear, bool watches)
    {
        var next = (With(state, ReadinessTransitions.EndCall(CallOf(state))) & ~clear) | set;
        if ((next & Parked) != 0)
        {
            return (next & Wakes) == 0 ? next : (next & ~Parked) | Claimed;
        }

        var isUnanswered = (next & (Ready | Ended)) == Ready;
        return isUnanswered && (watches || (state & (Ready | Broken)) != 0) ? next | Watched : next;
    }

    /// <summary>Hands an unanswered edge to the watch.</summary>
    internal static bool TryWatch(InputFlags state, out InputFlags next)
    {
        next = state | Watched;
        return (state & (Ready | Parked | Busy | Watched | Ended)) == Ready;
    }

    /// <summary>
    /// Takes an edge from the watch, if it has been answered, if no thread will answer it, or if there is no room for
    /// what it reports. A broken connection is received to its end whatever room there is.
    /// </summary>
    internal static bool TryUnwatch(InputFlags state, out InputFlags next)
    {
        next = state & ~Watched;
        var isFull = (state & (Full | Broken)) == Full;
        return isFull || (state & (Ready | Ended)) != Ready;
    }

    /// <summary>Allows no further receive, and ends a wait.</summary>
    internal static InputFlags Stop(InputFlags state)
        => With(state, ReadinessTransitions.Stop(CallOf(state))) & ~Parked;

    /// <summary>
    /// Whether we have ended reading. Not if the peer's end is held and the reader is not completed: then the peer came
    /// first, and the next read reports its end.
    /// </summary>
    internal static bool WeHaveEnded(InputFlags state)
        => (state & Completed) != 0 || ((state & Ended) != 0 && (state & EndHeld) == 0);

    /// <summary>What the thread that made a transition has to do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static InputActions ActionsOf(InputFlags before, InputFlags after)
    {
        var actions = InputActions.None;
        if ((before & ~after & Parked) != 0)
        {
            actions |= InputActions.Resume;
        }

        if ((after & ~before & Released) != 0)
        {
            actions |= InputActions.Release;
        }

        if ((after & ~before & Watched) != 0)
        {
            actions |= InputActions.Watch;
        }

        if ((before & ~after & Busy) != 0 && (after & Completed) != 0)
        {
            actions |= InputActions.FreeBuffers;
        }

        return actions;
    }

    /// <summary>Whether a state keeps the rules that the remarks of <see cref="InputState"/> list.</summary>
    internal static bool IsLegal(InputFlags state)
    {
        var isParked = (state & Parked) != 0;
        var isBusy = (state & Busy) != 0;
        var isStopped = (state & Stopped) != 0;
        var isReleased = (state & Released) != 0;
        var hasNews = (state & (Ready | Held)) != 0;
        return (!isParked || (state & (Interrupted | Claimed)) == 0)
            && (!isParked || !hasNews || isBusy)
            && (!isReleased || isStopped)
            && (!isStopped || isReleased || isBusy);
    }

    private static ReadinessFlags CallOf(InputFlags state) => (ReadinessFlags)(state & Call);

    private static InputFlags With(InputFlags state, ReadinessFlags call) => (state & ~Call) | (InputFlags)call;
}
