using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Connections;

// What the application learns of the end, and waits for: ConnectionClosed, PeerFinished and DisposeAsync.
internal sealed partial class StreamConnection
{
    private EndSignal _closed;
    private EndSignal _peerFinished;
    private TaskCompletionSource? _finished;

    [SuppressMessage("Usage", "CA2215", Justification = "The base class has nothing to dispose.")]
    public override ValueTask DisposeAsync()
    {
        if (_end.BeginDispose() == ConnectionEndAction.CompletePipes)
        {
            Input.Complete();
            Output.Complete();
            FinishIf(_end.EndDispose());
        }

        if (_end.State.IsFinished)
        {
            return default;
        }

        // This sets _finished and then reads the state. Finish sets the state and then reads _finished.
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        finished = Interlocked.CompareExchange(ref _finished, finished, null) ?? finished;
        if (_end.State.IsFinished)
        {
            finished.TrySetResult();
        }

        return new ValueTask(finished.Task);
    }

    /// <summary>The connection has ended: <see cref="ConnectionClosed"/> fires, once.</summary>
    internal void AnnounceClosed() => Follow(_end.BeginAnnounce());

    private void Announce()
    {
        if (_closed.TryFireUnused())
        {
            EndAnnounce();
        }
        else
        {
            // The callbacks are the application's and may block.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Fires <see cref="ConnectionClosed"/>.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            _closed.Fire();
        }
        catch (Exception exception)
        {
            ConnectionLog.ClosedCallbackFailed(_settings.Logger, ConnectionId, exception);
        }

        EndAnnounce();
    }

    private void EndAnnounce()
    {
        var action = _end.EndAnnounce();
        Follow(action);
        FinishIf(action);
    }

    private void TellPeerFinished()
    {
        try
        {
            _peerFinished.Fire();
        }
        catch (Exception exception)
        {
            ConnectionLog.FinishedCallbackFailed(_settings.Logger, ConnectionId, exception);
        }

        FinishIf(_end.EndFireToken());
    }

    private void FinishIf(ConnectionEndAction action)
    {
        if (action == ConnectionEndAction.Finish)
        {
            _owner.OnFinished();
            Volatile.Read(ref _finished)?.TrySetResult();
        }
    }
}
