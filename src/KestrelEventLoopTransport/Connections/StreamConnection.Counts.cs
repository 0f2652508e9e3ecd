using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Connections;

// What the metrics read. The counts are plain fields of the two halves, so that no operation pays for them.
internal sealed partial class StreamConnection
{
    /// <summary>What has made the connection and counts it.</summary>
    internal IConnectionOwner Owner => _owner;

    /// <summary>Number of bytes received for the application. Any thread may ask.</summary>
    internal long ReceivedBytes => Input.ReceivedBytes;

    /// <summary>Number of bytes that the kernel has taken. Any thread may ask.</summary>
    internal long SentBytes => Output.SentBytes;

    /// <summary>What has ended the connection. For its owner, when the descriptor is gone.</summary>
    internal ConnectionCloseReason CloseReason
        => ReasonOf(_end.State, Input.End, Output.HasFailed, AbortReason is not null);

    /// <summary>
    /// What came first is the reason. After the peer's FIN, Kestrel aborts the connection without a reason: then the FIN
    /// was the first. It also aborts after a reset.
    /// </summary>
    internal static ConnectionCloseReason ReasonOf(
        ConnectionEndState state, StreamEnd inputEnd, bool sendFailed, bool hasReason)
    {
        var peerFinished = state.Has(ConnectionEndFlags.PeerFinished);
        return state.Has(ConnectionEndFlags.Expired) ? ConnectionCloseReason.TimedOut
            : inputEnd == StreamEnd.Failed ? ConnectionCloseReason.Failed
            : inputEnd == StreamEnd.Reset || sendFailed ? ConnectionCloseReason.Reset
            : state.Has(ConnectionEndFlags.Aborted) && (hasReason || !peerFinished) ? ConnectionCloseReason.Aborted
            : peerFinished ? ConnectionCloseReason.PeerFinished
            : ConnectionCloseReason.Completed;
    }
}
