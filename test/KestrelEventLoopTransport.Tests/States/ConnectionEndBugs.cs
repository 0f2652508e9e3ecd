using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Descriptors;
using static KestrelEventLoopTransport.Connections.ConnectionEndFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Wrong transitions, each of which the explorer has to find.</summary>
internal static class ConnectionEndBugs
{
    private static readonly ConnectionEndTransitions _real = ConnectionEndTransitions.Real;

    internal static IReadOnlyDictionary<string, ConnectionEndTransitions> All { get; }
        = new Dictionary<string, ConnectionEndTransitions>
        {
            ["the halves are not stopped"] = _real with
            {
                BeginClose = (state, lingers) => Quietly(ConnectionEnd.BeginClose(state, lingers)),
            },
            ["an aborted connection lingers"] = _real with
            {
                Abort = (state, resets) => ConnectionEnd.Abort(state, resets).With(state.Flags & Lingers),
            },
            ["an abort reopens a closing connection"] = _real with
            {
                Abort = (state, resets) => ConnectionEnd.Abort(state, resets) with { Phase = ConnectionPhase.Open },
            },
            ["an abort forgets that ConnectionClosed has fired"] = _real with
            {
                Abort = (state, resets) => ConnectionEnd.Abort(Without(state, Announcing | Announced), resets),
            },
            ["a limit stops nothing"] = _real with
            {
                End = (state, flag) => ConnectionEnd.End(state, flag) is var (next, action)
                    ? (next, action & ~ConnectionEndAction.StopHalves)
                    : default,
            },
            ["a limit stops nothing after ConnectionClosed has fired"] = _real with
            {
                Expire = (state, resets) => ConnectionEnd.Expire(state, resets) is var (next, action)
                    ? (next, action & ~ConnectionEndAction.StopHalves)
                    : default,
            },
            ["a limit stops the halves at once"] = _real with
            {
                Expire = (state, resets) => ConnectionEnd.Expire(state, resets) is var (next, action) && state.IsOpen
                    ? (next with { Phase = ConnectionPhase.Closing }, action | ConnectionEndAction.StopHalves)
                    : ConnectionEnd.Expire(state, resets),
            },
            ["a limit does not fire ConnectionClosed"] = _real with
            {
                Expire = (state, resets) => ConnectionEnd.Expire(state, resets) is var (next, action)
                    ? (next, action & ~ConnectionEndAction.Announce)
                    : default,
            },
            ["a limit fires ConnectionClosed again"] = _real with
            {
                Expire = (state, resets) => ConnectionEnd.Expire(state, resets) is var (next, action) && state.IsOpen
                    ? (next, action | ConnectionEndAction.Announce)
                    : ConnectionEnd.Expire(state, resets),
            },
            ["a limit is forgotten"] = _real with { Expire = static (state, _) => (state, default) },
            ["closing forgets the abort"] = _real with
            {
                BeginClose = (state, lingers) => ConnectionEnd.BeginClose(Without(state, Aborted | Resets), lingers),
            },
            ["ConnectionClosed fires for every caller"] = _real with
            {
                Begin = (state, flag, action) => flag == Announcing
                    ? (state.With(flag), action)
                    : ConnectionEnd.Begin(state, flag, action),
            },
            ["DisposeAsync completes the pipes for every caller"] = _real with
            {
                Begin = (state, flag, action) => flag == Disposing
                    ? (state.With(flag), action)
                    : ConnectionEnd.Begin(state, flag, action),
            },
            ["ConnectionClosed does not fire"] = _real with
            {
                Begin = (state, flag, action) => flag == Announcing
                    ? (state.With(flag), ConnectionEndAction.None)
                    : ConnectionEnd.Begin(state, flag, action),
            },
            ["DisposeAsync hangs when the descriptor is closed last"] = _real with
            {
                EndClose = state => Quietly(ConnectionEnd.EndClose(state)),
            },
            ["DisposeAsync hangs when ConnectionClosed fires last"] = _real with
            {
                End = (state, flag) => Quietly(ConnectionEnd.End(state, flag)),
            },
            ["DisposeAsync does not wait for ConnectionClosed"] = _real with
            {
                EndClose = state => (
                    state with { Phase = ConnectionPhase.Closed },
                    state.Has(Disposed) ? ConnectionEndAction.Finish : ConnectionEndAction.None),
            },
            ["DisposeAsync does not wait for the descriptor"] = _real with
            {
                End = (state, flag) => state.With(flag) is var next && next.Has(Disposed) && next.Has(Announced)
                    ? (next, ConnectionEndAction.Finish)
                    : (next, ConnectionEndAction.None),
            },
            ["ConnectionClosed fires at the FIN although half-close is allowed"] = _real with
            {
                FinishPeer = (state, isReceived, _) => ConnectionEnd.FinishPeer(state, isReceived, closes: true),
            },
            ["ConnectionClosed does not fire at the FIN"] = _real with
            {
                FinishPeer = (state, isReceived, closes) => closes
                    ? Quietly(ConnectionEnd.FinishPeer(state, isReceived, closes))
                    : ConnectionEnd.FinishPeer(state, isReceived, closes),
            },
            ["our FIN after the peer's ends nothing"] = _real with
            {
                EndSending = state => Quietly(ConnectionEnd.EndSending(state)),
            },
            ["our FIN is forgotten before the peer's"] = _real with { EndSending = state => (state, default) },
            ["both FINs do not stop the halves"] = _real with
            {
                FinishPeer = (state, isReceived, closes) => ConnectionEnd.FinishPeer(state, isReceived, closes)
                    is var (next, action)
                    ? (next, action & ~ConnectionEndAction.StopHalves)
                    : default,
            },
            ["both FINs stop the halves again"] = _real with
            {
                EndSending = state => ConnectionEnd.EndSending(state) is var (next, action)
                    && next.HasAll(ReceivingEnded | SendingEnded)
                    ? (next, action | ConnectionEndAction.StopHalves)
                    : ConnectionEnd.EndSending(state),
                FinishPeer = (state, isReceived, closes) => ConnectionEnd.FinishPeer(
                    state with { Phase = ConnectionPhase.Open }, isReceived, closes),
            },
            ["PeerFinished fires each time that the FIN is seen"] = _real with
            {
                FinishPeer = (state, isReceived, closes)
                    => ConnectionEnd.FinishPeer(Without(state, PeerFinished), isReceived, closes),
            },
            ["PeerFinished does not fire"] = _real with
            {
                FinishPeer = (state, isReceived, closes) => ConnectionEnd.FinishPeer(state, isReceived, closes)
                    is var (next, action)
                    ? (next, action & ~ConnectionEndAction.TellPeerFinished)
                    : default,
            },
            ["DisposeAsync does not wait for PeerFinished"] = _real with
            {
                FinishPeer = (state, isReceived, closes) => ConnectionEnd.FinishPeer(state, isReceived, closes)
                    is var (next, action)
                    && (action & ConnectionEndAction.TellPeerFinished) != 0
                    ? (Without(next, TokenTaken), action)
                    : ConnectionEnd.FinishPeer(state, isReceived, closes),
            },
            ["a closed descriptor gets a reference"] = _real with { AddReference = word => (word + 1, true) },
            ["one half closes the descriptor of both"] = _real with
            {
                Release = word => word == DescriptorHandle.Closing ? (word, false)
                    : word == 2 ? (DescriptorHandle.Closing, true)
                    : (word - 1, false),
            },
            ["the last release leaves the descriptor open"] = _real with
            {
                Release = word => (DescriptorHandle.Release(word).Next, false),
            },
            ["the descriptor is closed before its token is known"] = _real with { References = 2 },
        };

    private static ConnectionEndState Without(ConnectionEndState state, ConnectionEndFlags flags)
        => state with { Flags = state.Flags & ~flags };

    private static (ConnectionEndState Next, ConnectionEndAction Action) Quietly(
        (ConnectionEndState Next, ConnectionEndAction Action) moved)
        => (moved.Next, ConnectionEndAction.None);
}
