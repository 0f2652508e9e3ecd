using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Connections.Output;

// The sender: which thread it is, and what the loop, the reader, the supervisor and a closing thread tell it. Its
// system calls are in ConnectionOutput.Send.cs.
internal sealed partial class ConnectionOutput
{
    // The system calls that one sender makes before it leaves the rest to the thread pool. Its thread may be a loop's,
    // and a writer that never pauses would keep it for ever.
    private const int MaxSends = 16;

    // Milliseconds.
    private const int StoppedFlushDelay = 20;

    /// <summary>Whether anything was ever sent.</summary>
    internal bool HasSent => _queue.HasSent;

    /// <summary>Whether the last flush came from outside of a callback of the connection.</summary>
    internal bool IsWrittenOutside => _deferral.IsOutside;

    /// <summary>
    /// Whether the kernel has taken all that was flushed. For the writer, and for an output that has ended.
    /// </summary>
    internal bool HasSentAll => _queue.HasSentAll;

    /// <summary>Whether a send found that the peer is gone.</summary>
    internal bool HasFailed => _state.Has(OutputFlags.Failed);

    /// <summary>Whether the FIN is sent.</summary>
    internal bool HasFinished => _state.Has(OutputFlags.Finished);

    /// <summary>Whether our side of the socket is shut down, or is about to be.</summary>
    internal bool IsShutDown => _isShutDown;

    /// <summary>The connection is about to shut our side of the socket down.</summary>
    internal void MarkShutDown() => _isShutDown = true;

    /// <summary>Bytes have arrived from the peer.</summary>
    internal void OnInput() => _deferral.OnInput();

    /// <summary>The loop saw that the socket is writable.</summary>
    /// <param name="isLast">Whether the loop has nothing else to do for the event.</param>
    internal void OnWritable(bool isLast)
    {
        if (_state.Make(OutputTransitions.OnWritable).Action == OutputAction.Send)
        {
            Send(completesFlush: isLast && _connection.Loop.Callbacks.RunOnLoop);
        }
    }

    /// <summary>
    /// The loop tries again, after the kernel was short of memory. Runs no application code: a flush completes on the
    /// thread pool.
    /// </summary>
    internal void Retry()
    {
        if (_state.Make(OutputTransitions.Uncork).Action == OutputAction.Send)
        {
            Send();
        }
    }

    /// <summary>Sends what was deferred, if anything.</summary>
    public void Uncork()
    {
        if (_state.Has(OutputFlags.Deferred) && _state.Make(OutputTransitions.Uncork).Action == OutputAction.Send)
        {
            Send();
        }
    }

    /// <summary>
    /// Sends nothing more. Unsent bytes are dropped, and a flush that waits ends soon. The descriptor is released by
    /// this call, or by the thread that is sending.
    /// </summary>
    internal void Stop()
    {
        var action = _state.Make(OutputTransitions.Stop).Action;
        if ((action & OutputAction.Send) != 0)
        {
            Send();
        }

        if ((action & OutputAction.ReleaseFlushLater) != 0)
        {
            _ = ReleaseFlushLaterAsync();
        }
    }

    /// <summary>Runs what was queued: sends what is deferred, and completes the flush that is ready.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_connection.Loop.Callbacks.TryMoveToPool(this))
        {
            return;
        }

        var action = _state.Make(OutputTransitions.TakeWork).Action;
        if ((action & OutputAction.Send) != 0)
        {
            Send(completesFlush: true);
        }

        if ((action & OutputAction.CompleteFlush) != 0)
        {
            CompleteFlush();
        }
    }

    /// <summary>Lets committed bytes be sent.</summary>
    /// <param name="deferral">When.</param>
    /// <param name="place">What the calling thread is inside of.</param>
    private void Publish(Deferral deferral, CallbackPlace place = default)
    {
        switch (_state.Make(OutputTransitions.Publish, deferral).Action)
        {
            case OutputAction.FreeChain:
                FreeChain(_queue.Head);
                break;
            case OutputAction.Send:
                Send();
                break;
            case OutputAction.QueueWork:
                // Behind the work that this thread has queued already: other streams of HTTP/2 that will flush too.
                QueueWork(preferLocal: true);
                break;
            default:
                if (deferral == Deferral.Cork && place.IsStuck)
                {
                    // The supervisor uncorks once more after it has taken the loop. That may be over.
                    Uncork();
                }

                break;
        }
    }

    /// <summary>Sends what is committed.</summary>
    /// <param name="completesFlush">
    /// Whether a flush that waits may complete on this thread. Only where the scheduler allows it, and where no
    /// application code is below on the stack: it might hold a lock that the continuation of the flush takes. Kestrel,
    /// for example, aborts under its own lock.
    /// </param>
    private void Send(bool completesFlush = false)
    {
        var budget = MaxSends;
        SendOutcome outcome;
        int error;
        do
        {
            outcome = SendCommitted(ref budget, out error);
        }
        while (!EndSend(outcome, error, completesFlush));
    }

    /// <summary>Stops being the sender. False: there is more to send.</summary>
    private bool EndSend(SendOutcome outcome, int error, bool completesFlush)
    {
        BufferSegment? chain;
        OutputMove move;
        do
        {
            // The head is read after the flags, which tell of its chain, and before the transition, after which the
            // writer may start another one.
            var flags = _state.Flags;
            chain = _queue.Head;
            move = OutputTransitions.EndSend(flags, outcome, HasRoom, completesFlush);
        }
        while (!_state.TryMake(move));

        if (move.Action == OutputAction.Send)
        {
            return false;
        }

        Perform(move.Action, chain, error);
        return true;
    }

    private void Perform(OutputAction action, BufferSegment? chain, int error)
    {
        if ((action & OutputAction.FreeChain) != 0)
        {
            FreeChain(chain);
        }

        if ((action & OutputAction.ReportFailure) != 0)
        {
            _connection.OnSendFailed(error);
        }

        if ((action & OutputAction.ReportFinished) != 0)
        {
            _connection.OnSendingFinished();
        }

        if ((action & OutputAction.QueueWork) != 0)
        {
            QueueWork(preferLocal: false);
        }

        if ((action & OutputAction.ReportDrained) != 0)
        {
            _connection.OnOutputDrained();
        }

        if ((action & OutputAction.ReleaseDescriptor) != 0)
        {
            _connection.ReleaseOutput();
        }

        if ((action & OutputAction.RetryLater) != 0)
        {
            new SendRetry(this, _connection.Loop).Set(LoopClock.After(StreamConnection.ShortageDelay));
        }

        // The last, because the application continues in it and may block.
        if ((action & OutputAction.CompleteFlush) != 0)
        {
            CompleteFlush();
        }
    }

    private void FreeChain(BufferSegment? chain)
    {
        if (_state.Has(OutputFlags.Stopped | OutputFlags.Failed))
        {
            _queue.DropUnsent();
        }

        _queue.Return(chain);
    }

    private void QueueWork(bool preferLocal) => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal);

    private void CompleteFlush() => _connection.Dispatch(ref _flush.Source);

    /// <summary>
    /// Kestrel cancels a request after it has aborted the connection. A handler whose flush completed before that would
    /// take a lost response for a sent one, so the flush completes a moment later.
    /// </summary>
    private async Task ReleaseFlushLaterAsync()
    {
        await Task.Delay(StoppedFlushDelay).ConfigureAwait(false);
        ReleaseFlush(OutputFlags.None);
    }
}
