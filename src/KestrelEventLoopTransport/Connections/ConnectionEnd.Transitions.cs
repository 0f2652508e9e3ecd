using System.Diagnostics;

namespace KestrelEventLoopTransport.Connections;

// The transitions, as pure functions from a state to the next one and to what the thread has to do.
internal partial struct ConnectionEnd
{
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

    /// <summary>The transition of <see cref="Expire(bool, out bool)"/>.</summary>
    internal static (ConnectionEndState Next, ConnectionEndAction Action) Expire(ConnectionEndState state, bool resets)
    {
        var next = Abort(state, resets);
        return !state.IsOpen ? (next, ConnectionEndAction.None)
            : StopIfAnnounced(
                next.With(ConnectionEndFlags.Expired | ConnectionEndFlags.Announcing),
                state.Has(ConnectionEndFlags.Announcing) ? ConnectionEndAction.None : ConnectionEndAction.Announce);
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
        var (next, action) = StopIfAnnounced(state.With(flag), ConnectionEndAction.None);
        return action == ConnectionEndAction.None ? Finish(state, next) : (next, action);
    }

    /// <summary>A connection that a limit has ended stops when the callbacks have run.</summary>
    private static (ConnectionEndState Next, ConnectionEndAction Action) StopIfAnnounced(
        ConnectionEndState state, ConnectionEndAction action)
        => state.HasAll(ConnectionEndFlags.Expired | ConnectionEndFlags.Announced)
            && state.Phase == ConnectionPhase.Open
            ? (state with { Phase = ConnectionPhase.Closing }, action | ConnectionEndAction.StopHalves)
            : (state, action);

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
}
