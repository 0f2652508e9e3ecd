using System.Diagnostics;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The state of a connection's input, in one atomic word: the reader, the loop, cancellers and the closing thread all
/// change it. <see cref="InputTransitions"/> has the transitions.
/// </summary>
/// <remarks>
/// <para>
/// Three rights follow from the word. The thread that sets <c>Busy</c> may receive, and owns the bytes that are held.
/// The thread whose transition clears <c>Parked</c> resumes the read. The thread whose transition sets <c>Released</c>
/// gives up the input's half of the descriptor. There is exactly one of each.
/// </para>
/// <para>The legal states are those that keep these rules:</para>
/// <list type="bullet">
/// <item>A parked read has nothing to go on for: <c>Parked</c> excludes <c>Canceled</c>, <c>TokenCanceled</c>,
/// <c>TimedOut</c>, <c>Completed</c>, <c>Closing</c>, <c>Stopped</c> and <c>Claimed</c>.</item>
/// <item><c>Parked</c> with <c>Ready</c> or <c>Held</c> needs <c>Busy</c>: the busy thread resumes the read.</item>
/// <item><c>Released</c> needs <c>Stopped</c>.</item>
/// <item><c>Stopped</c> needs <c>Released</c> or <c>Busy</c>: the busy thread releases.</item>
/// </list>
/// <para>The other flags combine freely.</para>
/// </remarks>
internal struct InputState
{
    private volatile InputFlags _flags;

    /// <summary>The state, as it is at this moment.</summary>
    internal readonly InputFlags Flags => _flags;

    /// <summary>Whether any of some flags is set.</summary>
    internal readonly bool Has(InputFlags flags) => (Flags & flags) != 0;

    /// <summary>Sets flags that end no wait.</summary>
    internal void Set(InputFlags flags)
    {
        InputFlags before;
        do
        {
            before = Flags;
        }
        while (!TryMove(before, before | flags));
    }

    /// <inheritdoc cref="InputTransitions.SetAndUnpark"/>
    internal InputActions SetAndUnpark(InputFlags flags)
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            after = InputTransitions.SetAndUnpark(before, flags);
        }
        while (!TryMove(before, after));
        return InputTransitions.ActionsOf(before, after);
    }

    /// <inheritdoc cref="InputTransitions.TryClear"/>
    internal bool TryClear(InputFlags flag)
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryClear(before, flag, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.TryPark"/>
    internal bool TryPark()
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryPark(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.OnEdge"/>
    internal InputActions OnEdge(InputFlags flags, bool claims)
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            after = InputTransitions.OnEdge(before, flags, claims);
        }
        while (!TryMove(before, after));
        return InputTransitions.ActionsOf(before, after);
    }

    /// <inheritdoc cref="InputTransitions.TryBeginReceive"/>
    internal bool TryBeginReceive(InputFlags unless = InputFlags.None)
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryBeginReceive(before, unless, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.TryBeginTake"/>
    internal bool TryBeginTake()
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryBeginTake(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.EndReceive"/>
    internal InputActions EndReceive(InputFlags set, InputFlags clear, bool watches)
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            after = InputTransitions.EndReceive(before, set, clear, watches);
        }
        while (!TryMove(before, after));
        return InputTransitions.ActionsOf(before, after);
    }

    /// <inheritdoc cref="InputTransitions.TryWatch"/>
    internal bool TryWatch()
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryWatch(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.TryUnwatch"/>
    internal bool TryUnwatch()
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            if (!InputTransitions.TryUnwatch(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <inheritdoc cref="InputTransitions.Stop"/>
    internal InputActions Stop()
    {
        InputFlags before;
        InputFlags after;
        do
        {
            before = Flags;
            after = InputTransitions.Stop(before);
        }
        while (!TryMove(before, after));
        return InputTransitions.ActionsOf(before, after);
    }

    private bool TryMove(InputFlags before, InputFlags after)
    {
        Debug.Assert(InputTransitions.IsLegal(after), "A transition leads to a legal state.");
        return Interlocked.CompareExchange(ref _flags, after, before) == before;
    }
}
