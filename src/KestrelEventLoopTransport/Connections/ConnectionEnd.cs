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
/// <para>
/// A time limit aborts the connection, but the halves are stopped only when the callbacks of <c>ConnectionClosed</c>
/// have run. Kestrel learns there that the connection is gone. So it takes what its next read throws for that, and not
/// for an error of the application.
/// </para>
/// <para>Every combination of a phase and flags is a legal state, if it keeps these rules:</para>
/// <list type="bullet">
/// <item><c>Resets</c> implies <c>Aborted</c>;</item>
/// <item><c>Lingers</c> excludes <c>Open</c> and <c>Aborted</c>;</item>
/// <item><c>Disposed</c> implies <c>Disposing</c>, and <c>Announced</c> implies <c>Announcing</c>;</item>
/// <item><c>TokenFired</c> implies <c>TokenTaken</c> and <c>PeerFinished</c>;</item>
/// <item><c>ReceivingEnded</c> implies <c>PeerFinished</c>;</item>
/// <item><c>Expired</c> implies <c>Aborted</c> and <c>Announcing</c>;</item>
/// <item><c>Expired</c> and <c>Announced</c> together exclude <c>Open</c>;</item>
/// <item><c>PeerFinished</c> and <c>SendingEnded</c> together imply <c>Announcing</c>;</item>
/// <item><c>ReceivingEnded</c> and <c>SendingEnded</c> together exclude <c>Open</c>.</item>
/// </list>
/// </remarks>
internal partial struct ConnectionEnd
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

    /// <summary>A time limit aborts the connection.</summary>
    /// <param name="resets">Whether closing its descriptor is to send a RST.</param>
    /// <param name="wasOpen">Whether nothing had ended it before.</param>
    internal ConnectionEndAction Expire(bool resets, out bool wasOpen)
    {
        while (true)
        {
            var state = State;
            var (next, action) = Expire(state, resets);
            if (TryMove(state, next))
            {
                wasOpen = state.IsOpen;
                return action;
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
