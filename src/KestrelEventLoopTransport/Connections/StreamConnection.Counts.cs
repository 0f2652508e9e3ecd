using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Connections;

// What the metrics read. The counts are plain fields of the two halves, so that no operation pays for them.
internal sealed partial class StreamConnection
{
    /// <summary>What has made the connection and counts it.</summary>
    internal IConnectionOwner Owner => _owner;

    /// <summary>Number of bytes received for the application. Any thread may ask.</summary>
    internal long ReceivedBytes => Input.ReceivedBytes;

    /// <summary>Number of bytes that the kernel has taken. Any thread may ask.</summary>
    internal long SentBytes => Output.Sent;

    public Traffic Traffic => new(ReceivedBytes, SentBytes);

    /// <summary>Whether nothing is received because the application has not read what is there. Any thread.</summary>
    internal bool IsReadingPaused => Input.IsPaused;

    /// <summary>Whether bytes wait because the peer takes none. Any thread.</summary>
    internal bool IsSendingStalled => Output.IsStalled;

    /// <summary>What has ended the connection. For its owner, when the descriptor is gone.</summary>
    internal ConnectionCloseReason CloseReason
        => ReasonOf(_end.State, Input.End, Output.HasFailed, AbortReason is not null);

    /// <summary>
    /// What came first is the reason. After the peer's FIN, Kestrel aborts the connection without a reason: then the
    /// FIN was the first. It also aborts after a reset.
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

    /// <summary>The connection was accepted, and its loop polls it.</summary>
    internal void OnAccepted()
    {
        ProcessTraffic.Shared.OnAccepted();
        if (EventLoopEventSource.Log.IsOn(EventLoopEventSource.Keywords.Connections))
        {
            EventLoopEventSource.Log.ConnectionAccepted(
                ConnectionId, $"{LocalEndPoint}", $"{RemoteEndPoint}", Loop.Index);
        }
    }

    /// <summary>A client has opened the connection, and its loop polls it.</summary>
    internal void OnDialed()
    {
        ProcessTraffic.Shared.OnDialed();
        if (EventLoopEventSource.Log.IsOn(EventLoopEventSource.Keywords.Connections))
        {
            EventLoopEventSource.Log.ConnectionDialed(
                ConnectionId, $"{LocalEndPoint}", $"{RemoteEndPoint}", Loop.Index);
        }
    }

    /// <summary>The loop does not know the descriptor any more.</summary>
    private void CountEnd()
    {
        ProcessTraffic.Shared.OnEnded(Traffic);
        if (EventLoopEventSource.Log.IsOn(EventLoopEventSource.Keywords.Connections))
        {
            EventLoopEventSource.Log.ConnectionClosed(ConnectionId, $"{CloseReason}", ReceivedBytes, SentBytes);
        }
    }
}
