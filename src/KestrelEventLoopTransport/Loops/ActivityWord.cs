using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// An <see cref="ActivityState"/> that its thread and the supervisor move at the same time. One interlocked operation
/// per callback, at its end.
/// </summary>
internal struct ActivityWord
{
    private int _value;

    internal readonly ActivityState Read() => new(Volatile.Read(in _value));

    /// <summary>
    /// The thread's: a callback begins. A plain write, since the supervisor moves running states only.
    /// </summary>
    internal void Begin()
    {
        var state = Read();
        Debug.Assert(!state.IsRunning && !state.IsStuck, "Nested callbacks do not count.");
        Write(state.Begin());
    }

    /// <summary>
    /// The thread's: the callback has returned. False when its loop was taken away before; then
    /// <see cref="EndStuck"/> follows.
    /// </summary>
    internal bool TryEnd()
    {
        var state = Read();
        return state.IsRunning && TryMove(state, state.End());
    }

    /// <summary>The thread's: a callback that has lost its loop has returned.</summary>
    internal void EndStuck()
    {
        var state = Read();
        Debug.Assert(state.IsStuck, "The supervisor has taken the loop.");
        Write(state.End());
    }

    /// <summary>
    /// The supervisor's: takes the loop away from a callback that was seen running. False when it has returned.
    /// </summary>
    internal bool TryTake(ActivityState seen)
    {
        Debug.Assert(seen.IsRunning, "Only a callback that runs can lose its loop.");
        return TryMove(seen, seen.Take());
    }

    private bool TryMove(ActivityState from, ActivityState to)
    {
        Debug.Assert(to.IsLegal, "Legal states are listed in ActivityState.");
        return Interlocked.CompareExchange(ref _value, to.Value, from.Value) == from.Value;
    }

    private void Write(ActivityState to)
    {
        Debug.Assert(to.IsLegal, "Legal states are listed in ActivityState.");
        Volatile.Write(ref _value, to.Value);
    }
}
