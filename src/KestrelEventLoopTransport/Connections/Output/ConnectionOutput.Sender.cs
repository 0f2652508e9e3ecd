using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Output;

// The sender: from committed bytes to system calls, and what the loop, the reader, the supervisor and a closing thread
// tell it.
internal sealed partial class ConnectionOutput
{
    // The system calls that one sender makes before it leaves the rest to the thread pool. Its thread may be a loop's,
    // and a writer that never pauses would keep it for ever.
    private const int MaxSends = 16;

    // A megabyte in blocks of 4 KiB. Small caps cost more than anything else on large responses.
    private const int MaxVectors = 256;

    // Milliseconds.
    private const int StoppedFlushDelay = 20;

    // The sender's: whether the loop tells when the socket is writable.
    private bool _watchesWritable;

    // The sender's: set before the system call, because the peer may answer the FIN while the call returns.
    private volatile bool _isShutDown;

    /// <summary>Whether anything was ever sent.</summary>
    internal bool HasSent => _queue.HasSent;

    /// <summary>Whether the last flush came from outside of a callback of the connection.</summary>
    internal bool IsWrittenOutside => _deferral.IsOutside;

    /// <summary>Whether a send found that the peer is gone.</summary>
    internal bool HasFailed => _state.Has(OutputFlags.Failed);

    /// <summary>Whether the FIN is sent.</summary>
    internal bool HasFinished => _state.Has(OutputFlags.Finished);

    /// <summary>Whether the sender has shut the socket down, or is about to.</summary>
    internal bool IsShutDown => _isShutDown;

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
    internal void Uncork()
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

    /// <summary>Sends until nothing committed is left, or something prevents it.</summary>
    [SkipLocalsInit]
    private SendOutcome SendCommitted(ref int budget, out int error)
    {
        error = 0;
        Span<iovec> vectors = stackalloc iovec[MaxVectors];
        while (true)
        {
            // The state first: what the writer has committed before it set Finishing is then seen too.
            var flags = _state.Flags;
            var unsent = _queue.Unsent;
            if (unsent == 0 || (flags & OutputFlags.Stopped) != 0)
            {
                return (flags & OutputFlags.Finishing) == 0 ? SendOutcome.Sent : SendFin(out error);
            }

            if (budget-- == 0)
            {
                return SendOutcome.OutOfBudget;
            }

            var left = unsent;
            var count = _queue.Gather(vectors, ref left);
            var sent = SendVectors(vectors[..count]);
            if (sent < 0)
            {
                error = -(int)sent;
                return error == Errno.EAGAIN ? OnFull()
                    : Errno.IsShortage(error) ? SendOutcome.Shortage
                    : SendOutcome.Failed;
            }

            _queue.Consume(sent);
            if (sent < unsent - left)
            {
                // A stream socket takes less than it is given only when it is full, and then makes an edge when there
                // is room (epoll(7), question 9).
                return OnFull();
            }
        }
    }

    private SendOutcome SendFin(out int error)
    {
        _isShutDown = true;
        error = Libc.shutdown(_connection.Fd, Posix.SHUT_WR) < 0 ? Errno.Last : 0;
        return error == 0 || (error == Errno.ENOTCONN && _connection.MayHaveEnded)
            ? SendOutcome.Finished
            : SendOutcome.Failed;
    }

    /// <summary>
    /// The socket is full. The first time, the loop is asked to tell when there is room: while the thread is still the
    /// sender, so that the descriptor stays open and an edge that comes at once is not lost.
    /// </summary>
    private SendOutcome OnFull()
    {
        _watchesWritable = _watchesWritable || _connection.TryWatchWritable();
        return _watchesWritable ? SendOutcome.Blocked : SendOutcome.Shortage;
    }

    /// <summary>Returns the number of bytes sent, or a negative errno.</summary>
    private unsafe nint SendVectors(ReadOnlySpan<iovec> vectors)
    {
        fixed (iovec* first = vectors)
        {
            while (true)
            {
                nint sent;
                if (vectors.Length == 1)
                {
                    sent = Libc.send(_connection.Fd, first->iov_base, first->iov_len, Platform.MSG_NOSIGNAL);
                }
                else
                {
                    var message = new msghdr { msg_iov = first, msg_iovlen = (nuint)vectors.Length };
                    sent = Libc.sendmsg(_connection.Fd, &message, Platform.MSG_NOSIGNAL);
                }

                if (sent >= 0)
                {
                    return sent;
                }

                var error = Errno.Last;
                if (error != Errno.EINTR)
                {
                    return -error;
                }
            }
        }
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
