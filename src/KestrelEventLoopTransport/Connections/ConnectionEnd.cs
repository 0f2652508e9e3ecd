using System.Diagnostics;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// The end of a connection as one atomic word: a phase and what has happened so far. An abort, a dispose, the peer's
/// end and the closing of the descriptor may come in any order, on several threads at once. Each transition tells its
/// thread what to do, and tells it to one thread only.
/// </summary>
/// <remarks>
/// <para>
/// A connection is finished when three things have happened, in any order: its descriptor is gone
/// (<see cref="ConnectionPhase.Closed"/>), its pipes are completed (<see cref="ConnectionEndFlags.Disposed"/>), and the
/// callbacks of <c>ConnectionClosed</c> have run (<see cref="ConnectionEndFlags.Announced"/>).
/// </para>
/// <para>Every combination of a phase and flags is a legal state, if it keeps three rules:</para>
/// <list type="bullet">
/// <item><c>Resets</c> implies <c>Aborted</c>;</item>
/// <item><c>Lingers</c> excludes <c>Open</c> and <c>Aborted</c>;</item>
/// <item><c>Disposed</c> implies <c>Disposing</c>, and <c>Announced</c> implies <c>Announcing</c>.</item>
/// </list>
/// </remarks>
internal struct ConnectionEnd
{
    private int _word;

    internal readonly ConnectionEndState State => ConnectionEndState.FromWord(Volatile.Read(in _word));

    internal readonly bool IsAborted => State.Has(ConnectionEndFlags.Aborted);

    /// <summary>The connection is aborted.</summary>
    /// <param name="resets">Whether closing its descriptor is to send a RST.</param>
    internal void Abort(bool resets)
    {
        while (true)
        {
            var state = State;
            if (TryMove(state, Abort(state, resets)))
            {
                return;
            }
        }
    }

    /// <summary>Nothing more is received or sent.</summary>
    /// <param name="lingers">Whether the descriptor is to linger, unless the connection is aborted.</param>
    internal ConnectionEndAction BeginClose(bool lingers)
    {
        while (true)
        {
            var state = State;
            var (next, action) = BeginClose(state, lingers);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>The connection is rid of its descriptor.</summary>
    internal ConnectionEndAction EndClose()
    {
        while (true)
        {
            var state = State;
            var (next, action) = EndClose(state);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>The connection is disposed.</summary>
    internal ConnectionEndAction BeginDispose()
        => Begin(ConnectionEndFlags.Disposing, ConnectionEndAction.CompletePipes);

    /// <summary>Both pipes are completed.</summary>
    internal ConnectionEndAction EndDispose() => End(ConnectionEndFlags.Disposed);

    /// <summary>The receiving side has ended.</summary>
    internal ConnectionEndAction BeginAnnounce()
        => Begin(ConnectionEndFlags.Announcing, ConnectionEndAction.Announce);

    /// <summary>The callbacks of <c>ConnectionClosed</c> have run.</summary>
    internal ConnectionEndAction EndAnnounce() => End(ConnectionEndFlags.Announced);

    /// <summary>The transition of <see cref="Abort(bool)"/>. A descriptor that is gone cannot be reset.</summary>
    internal static ConnectionEndState Abort(ConnectionEndState state, bool resets)
    {
        var next = state.With(ConnectionEndFlags.Aborted);
        return next with
        {
            Flags = (next.Flags & ~ConnectionEndFlags.Lingers)
                | (resets && state.Phase != ConnectionPhase.Closed ? ConnectionEndFlags.Resets : 0),
        };
    }

    /// <summary>The transition of <see cref="BeginClose(bool)"/>.</summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) BeginClose(
        ConnectionEndState state, bool lingers)
    {
        if (state.Phase != ConnectionPhase.Open)
        {
            return (state, ConnectionEndAction.None);
        }

        var flag = lingers && !state.Has(ConnectionEndFlags.Aborted) ? ConnectionEndFlags.Lingers : 0;
        return (state.With(flag) with { Phase = ConnectionPhase.Closing }, ConnectionEndAction.StopHalves);
    }

    /// <summary>The transition of <see cref="EndClose()"/>.</summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) EndClose(ConnectionEndState state)
    {
        Debug.Assert(state.Phase == ConnectionPhase.Closing, "The descriptor is closed once, and last.");
        return Finish(state, state with { Phase = ConnectionPhase.Closed });
    }

    /// <summary>
    /// The transition of <see cref="BeginDispose"/> and <see cref="BeginAnnounce"/>: the first caller gets the action.
    /// </summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) Begin(
        ConnectionEndState state, ConnectionEndFlags flag, ConnectionEndAction action)
        => state.Has(flag) ? (state, ConnectionEndAction.None) : (state.With(flag), action);

    /// <summary>The transition of <see cref="EndDispose"/> and <see cref="EndAnnounce"/>.</summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) End(
        ConnectionEndState state, ConnectionEndFlags flag)
    {
        Debug.Assert(!state.Has(flag), "What one thread has begun, it ends once.");
        return Finish(state, state.With(flag));
    }

    private static (ConnectionEndState Next, ConnectionEndAction Action) Finish(
        ConnectionEndState state, ConnectionEndState next)
        => (next, next.IsFinished && !state.IsFinished ? ConnectionEndAction.Finish : ConnectionEndAction.None);

    private ConnectionEndAction Begin(ConnectionEndFlags flag, ConnectionEndAction first)
    {
        while (true)
        {
            var state = State;
            var (next, action) = Begin(state, flag, first);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    private ConnectionEndAction End(ConnectionEndFlags flag)
    {
        while (true)
        {
            var state = State;
            var (next, action) = End(state, flag);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>A full fence, unless the state stays as it is.</summary>
    private bool TryMove(ConnectionEndState state, ConnectionEndState next)
    {
        Debug.Assert(next.IsLegal, "The state is one of those listed above.");
        return next == state
            || Interlocked.CompareExchange(ref _word, next.ToWord(), state.ToWord()) == state.ToWord();
    }
}
