using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Output;

// From a flush to the socket: who sends, and when.
internal sealed partial class ConnectionOutput
{
    // System calls that one sender makes before it lets the thread pool go on: the thread may be a loop's, and a
    // writer that never pauses would keep it for ever.
    private const int MaxSends = 16;

    // Flushes since the last input, and whether there were several between the two inputs before: see ChooseDeferral.
    // Hints; reader and writer may race on them.
    private int _flushesSinceInput;
    private bool _isPiecemeal;

    private enum Deferral
    {
        None,

        /// <summary>
        /// Until the dispatch ends, the reader is drained, or the supervisor finds the dispatch overdue.
        /// </summary>
        Cork,

        /// <summary>Until a work item queued now runs.</summary>
        Queue,
    }

    /// <summary>Publishes what was written and sees to it that somebody sends it.</summary>
    private void Commit(bool mayDefer)
    {
        Volatile.Write(ref _committed, _written);
        _flushesSinceInput++;
        var deferral = mayDefer ? ChooseDeferral() : Deferral.None;
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var next = state & ~Open;
            var chain = _head;
            var frees = false;
            if ((state & Sending) != 0)
            {
                next |= Again;
            }
            else if ((state & (Stopped | Failed)) != 0)
            {
                frees = (state & HasChain) != 0;
                next &= ~(HasChain | Deferred);
            }
            else if ((state & (Blocked | HasChain)) == HasChain)
            {
                next = deferral switch
                {
                    Deferral.None => (next | Sending) & ~Deferred,
                    Deferral.Cork => next | Deferred,
                    _ => next | Deferred | Queued,
                };
            }

            if (Interlocked.CompareExchange(ref _state, next, state) != state)
            {
                continue;
            }

            _isOpen = false;
            var started = next & ~state;
            if (frees)
            {
                DropChain(chain);
            }
            else if ((started & Sending) != 0)
            {
                Send();
            }
            else if ((started & Queued) != 0)
            {
                // Behind the work that this thread has queued already: streams of HTTP/2 that are about to flush too.
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
            }
            else if (deferral == Deferral.Cork && !_connection.HoldsOutput)
            {
                // The thread has lost its loop meanwhile, and the supervisor may have come before there was a cork.
                Uncork();
            }

            return;
        }
    }

    /// <summary>
    /// When not to send at once. Inside a dispatch more output is likely to come: the end of a chunked response after
    /// its body, the responses to pipelined requests. One send takes them all when the reader is drained or the
    /// dispatch ends; but not on a thread that has lost its loop, which nobody looks after. Outside of a dispatch, a
    /// second flush without new input in between comes from a protocol that writes piecemeal, as HTTP/2 does, stream by
    /// stream; its first flush after the next input will not be the only one either.
    /// </summary>
    private Deferral ChooseDeferral()
    {
        if (Unsent >= Math.Min(MaxDeferredBytes, _connection.MaxWriteBufferSize))
        {
            return Deferral.None;
        }

        return _connection.HoldsOutput ? Deferral.Cork
            : _connection.IsDispatching ? Deferral.None
            : _flushesSinceInput > 1 || _isPiecemeal ? Deferral.Queue
            : Deferral.None;
    }

    private void Send(bool mayRunInline = false)
    {
        var budget = MaxSends;
        while (EndSend(SendCommitted(ref budget), mayRunInline))
        {
        }
    }

    /// <summary>
    /// Gives the sending right up, or keeps it because there is more to do (true).
    /// </summary>
    /// <param name="error">0 when all that was committed is sent, else what stopped it.</param>
    /// <param name="mayRunInline">Whether a flush that waited may complete right here.</param>
    private bool EndSend(int error, bool mayRunInline = false)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var next = NextAfterSend(state, error);

            // Before the exchange: after it the writer may have begun another chain.
            var chain = _head;
            if (Interlocked.CompareExchange(ref _state, next, state) != state)
            {
                continue;
            }

            if ((next & Sending) != 0)
            {
                return true;
            }

            if ((state & ~next & HasChain) != 0)
            {
                DropChain(chain);
            }

            AfterSend(state, next, error, mayRunInline);
            return false;
        }
    }

    private int NextAfterSend(int state, int error)
    {
        var next = state & ~(Sending | Again | Edge);
        if ((state & Stopped) != 0)
        {
            next |= Released;
        }
        else if (error == 0)
        {
            if ((state & Again) != 0)
            {
                return state & ~Again;
            }
        }
        else if (error == Errno.EAGAIN)
        {
            if ((state & Edge) != 0)
            {
                return state & ~(Edge | Again);
            }

            return ClaimFlushIfRoom(next | Blocked);
        }
        else if (error == OutOfBudget)
        {
            return next | Deferred | Queued;
        }
        else if (Errno.IsShortage(error))
        {
            return next | Deferred;
        }
        else
        {
            next |= Failed;
        }

        // All is sent or dropped.
        next &= ~Draining;
        if ((state & Open) == 0)
        {
            next &= ~HasChain;
        }

        return ClaimFlushIfRoom(next);
    }

    private void AfterSend(int state, int next, int error, bool mayRunInline)
    {
        if ((next & ~state & Failed) != 0)
        {
            _connection.OnSendFailed(error);
        }

        QueueFlushCompletion(state, next, mayRunInline);
        if ((state & ~next & Draining) != 0)
        {
            _connection.OnOutputDrained();
        }

        if ((next & ~state & Released) != 0)
        {
            _connection.ReleaseOutput();
        }

        if ((next & ~state & Queued) != 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else if ((next & ~state & Deferred) != 0)
        {
            // No edge will come for a shortage of memory.
            _connection.Loop.Schedule(new SendRetry(this), StreamConnection.ShortageDelay);
        }
    }

    private static int ClaimFlush(int state)
        => (state & FlushParked) == 0 ? state : (state & ~FlushParked) | FlushReady;

    /// <summary>A flush that an abort ends waits a little longer: <see cref="ReleaseStoppedFlushAsync"/>.</summary>
    private int ClaimFlushIfRoom(int state)
        => (state & Stopped) == 0 && ((state & Failed) != 0 || Unsent <= _connection.MaxWriteBufferSize / 2)
            ? ClaimFlush(state)
            : state;

    private void ReleaseFlush(int cancellation)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var next = ClaimFlush(state | cancellation);
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                QueueFlushCompletion(state, next, mayRunInline: false);
                return;
            }
        }
    }

    private void QueueFlushCompletion(int state, int next, bool mayRunInline)
    {
        if ((next & ~state & FlushReady) == 0)
        {
            return;
        }

        if (mayRunInline && _connection.RunsInline && (next & Stopped) == 0 && _connection.Loop.IsCurrent)
        {
            // A work item that is running already may have taken it.
            if ((Interlocked.And(ref _state, ~FlushReady) & FlushReady) != 0)
            {
                CompleteFlush();
            }
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void CompleteFlush() => _connection.Dispatch(ref _flush);

    private sealed class SendRetry(ConnectionOutput output) : IThreadPoolWorkItem
    {
        public void Execute() => output.Uncork(mayRunInline: true);
    }
}
