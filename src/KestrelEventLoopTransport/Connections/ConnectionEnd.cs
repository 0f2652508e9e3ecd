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
/// callbacks of <c>ConnectionClosed</c> have run (<see cref="ConnectionEndFlags.Announced"/>). If the application has
/// taken the token that says that the peer has finished, and the peer has, the callbacks of that token have run too.
/// </para>
/// <para>
/// With half-close the two directions end one after the other. When the peer's FIN is known and nothing can be sent any
/// more, <c>ConnectionClosed</c> fires. When, in addition, the FIN has been received, both halves stop.
/// </para>
/// <para>Every combination of a phase and flags is a legal state, if it keeps these rules:</para>
/// <list type="bullet">
/// <item><c>Resets</c> implies <c>Aborted</c>;</item>
/// <item><c>Lingers</c> excludes <c>Open</c> and <c>Aborted</c>;</item>
/// <item><c>Disposed</c> implies <c>Disposing</c>, and <c>Announced</c> implies <c>Announcing</c>;</item>
/// <item><c>TokenFired</c> implies <c>TokenTaken</c> and <c>PeerFinished</c>;</item>
/// <item><c>ReceivingEnded</c> implies <c>PeerFinished</c>;</item>
/// <item><c>PeerFinished</c> and <c>SendingEnded</c> together imply <c>Announcing</c>;</item>
/// <item><c>ReceivingEnded</c> and <c>SendingEnded</c> together exclude <c>Open</c>.</item>
/// </list>
/// </remarks>
internal struct ConnectionEnd
{
    private int _word;

    internal readonly ConnectionEndState State => ConnectionEndState.FromWord(Volatile.Read(in _word));

    internal readonly bool IsAborted => State.Has(ConnectionEndFlags.Aborted);

    /// <summary>The connection is aborted.</summary>
    /// <param name="resets">Whether closing its descriptor is to send a RST.</param>
    /// <returns>Whether nothing had ended it before.</returns>
    internal bool Abort(bool resets)
    {
        while (true)
        {
            var state = State;
            if (TryMove(state, Abort(state, resets)))
            {
                return state.Phase == ConnectionPhase.Open && !state.Has(ConnectionEndFlags.Aborted);
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

    /// <summary>The connection has ended, or its receiving half has and half-close is not allowed.</summary>
    internal ConnectionEndAction BeginAnnounce()
        => Begin(ConnectionEndFlags.Announcing, ConnectionEndAction.Announce);

    /// <summary>The callbacks of <c>ConnectionClosed</c> have run.</summary>
    internal ConnectionEndAction EndAnnounce() => End(ConnectionEndFlags.Announced);

    /// <summary>The peer has finished sending.</summary>
    /// <param name="isReceived">Whether its FIN has been received, and everything before it.</param>
    /// <param name="closes">Whether <c>ConnectionClosed</c> fires now: half-close is not allowed.</param>
    internal ConnectionEndAction FinishPeer(bool isReceived, bool closes)
    {
        while (true)
        {
            var state = State;
            var (next, action) = FinishPeer(state, isReceived, closes);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>Nothing can be sent any more.</summary>
    internal ConnectionEndAction EndSending()
    {
        while (true)
        {
            var state = State;
            var (next, action) = EndSending(state);
            if (TryMove(state, next))
            {
                return action;
            }
        }
    }

    /// <summary>
    /// The application takes the token that says that the peer has finished. False: the peer has finished already, and
    /// the token was not taken before.
    /// </summary>
    internal bool TryTakeToken()
    {
        while (true)
        {
            var state = State;
            if (TryMove(state, TakeToken(state)))
            {
                return TakeToken(state).Has(ConnectionEndFlags.TokenTaken);
            }
        }
    }

    /// <summary>The callbacks of that token have run.</summary>
    internal ConnectionEndAction EndFireToken() => End(ConnectionEndFlags.TokenFired);

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

    /// <summary>
    /// The transition of <see cref="FinishPeer(bool, bool)"/>. When the descriptor is gone, the token does not fire any
    /// more: the connection may be finished.
    /// </summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) FinishPeer(
        ConnectionEndState state, bool isReceived, bool closes)
    {
        if (state.Phase == ConnectionPhase.Closed)
        {
            return closes
                ? Begin(state, ConnectionEndFlags.Announcing, ConnectionEndAction.Announce)
                : (state, ConnectionEndAction.None);
        }

        var next = state.With(
            ConnectionEndFlags.PeerFinished | (isReceived ? ConnectionEndFlags.ReceivingEnded : 0));
        var fires = next.Has(ConnectionEndFlags.TokenTaken) && !state.Has(ConnectionEndFlags.PeerFinished);
        return EndBoth(next, closes, fires ? ConnectionEndAction.TellPeerFinished : ConnectionEndAction.None);
    }

    /// <summary>The transition of <see cref="EndSending()"/>.</summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) EndSending(ConnectionEndState state)
        => state.Phase == ConnectionPhase.Closed
            ? (state, ConnectionEndAction.None)
            : EndBoth(state.With(ConnectionEndFlags.SendingEnded), closes: false, ConnectionEndAction.None);

    /// <summary>The transition of <see cref="TryTakeToken"/>.</summary>
    internal static ConnectionEndState TakeToken(ConnectionEndState state)
        => state.Has(ConnectionEndFlags.PeerFinished) ? state : state.With(ConnectionEndFlags.TokenTaken);

    /// <summary>Ends the connection if both directions have ended.</summary>
    private static (ConnectionEndState Next, ConnectionEndAction Action) EndBoth(
        ConnectionEndState state, bool closes, ConnectionEndAction action)
    {
        const ConnectionEndFlags known = ConnectionEndFlags.PeerFinished | ConnectionEndFlags.SendingEnded;
        const ConnectionEndFlags received = ConnectionEndFlags.ReceivingEnded | ConnectionEndFlags.SendingEnded;
        var next = state;
        if ((closes || state.HasAll(known)) && !state.Has(ConnectionEndFlags.Announcing))
        {
            next = next.With(ConnectionEndFlags.Announcing);
            action |= ConnectionEndAction.Announce;
        }

        if (state.HasAll(received) && state.Phase == ConnectionPhase.Open)
        {
            next = next with { Phase = ConnectionPhase.Closing };
            action |= ConnectionEndAction.StopHalves;
        }

        return (next, action);
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
