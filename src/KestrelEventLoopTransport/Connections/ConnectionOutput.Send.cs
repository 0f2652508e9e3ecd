using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections;

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

        /// <summary>Until the dispatch ends, the reader is drained, or the supervisor finds the dispatch overdue.</summary>
        Cork,

        /// <summary>Until a work item queued now runs.</summary>
        Queue,
    }

    /// <summary>Whether anything was ever sent.</summary>
    internal bool HasSent => Volatile.Read(ref _sent) > 0;

    /// <summary>
    /// Whether a send found that the peer is gone. Waits for one that is being made: it may just have taken the error
    /// of the connection, which a receive then does not see any more.
    /// </summary>
    internal bool WasReset
    {
        get
        {
            var wait = default(SpinWait);
            while ((Volatile.Read(ref _state) & Sending) != 0)
            {
                wait.SpinOnce();
            }
            return (Volatile.Read(ref _state) & Failed) != 0;
        }
    }

    /// <summary>Bytes arrived: the next flush is an answer to them and is not queued behind others.</summary>
    internal void OnInput()
    {
        _isPiecemeal = _flushesSinceInput > 1;
        _flushesSinceInput = 0;
        _flushesInDispatch = 0;
    }

    /// <summary>The loop saw that the socket is writable.</summary>
    /// <param name="mayRunInline">Whether a flush that waited may complete right here.</param>
    internal void OnWritable(bool mayRunInline)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var next = (state & Blocked) != 0 ? (state & ~Blocked) | Sending
                : (state & Sending) != 0 ? state | Edge
                : state;
            if (next == state)
            {
                return;
            }
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if ((state & Blocked) != 0)
                {
                    Send(mayRunInline);
                }
                return;
            }
        }
    }

    /// <summary>Sends what was deferred, if anything.</summary>
    /// <param name="mayRunInline">
    /// Whether a flush that waited may complete right here. Only where no application code is below on the stack, which
    /// might hold a lock that the flush's continuation takes: Kestrel aborts, for one, under its own.
    /// </param>
    internal void Uncork(bool mayRunInline = false)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Deferred) == 0)
            {
                return;
            }
            var sends = (state & (Sending | Blocked | Stopped)) == 0;
            var next = (state & ~Deferred) | (sends ? Sending : 0);
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if (sends)
                {
                    Send(mayRunInline);
                }
                return;
            }
        }
    }

    /// <summary>
    /// Asks for <see cref="StreamConnection.OnOutputDrained"/> once everything is sent. False: nothing is left to wait for.
    /// </summary>
    private bool BeginDrain()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & (Stopped | Failed)) != 0 || (state & (Sending | Blocked | Deferred)) == 0)
            {
                return false;
            }
            if (Interlocked.CompareExchange(ref _state, state | Draining, state) == state)
            {
                return true;
            }
        }
    }

    /// <summary>Sends a FIN: the peer sees the end of the stream, and we may still receive.</summary>
    internal void Shutdown()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & (Sending | Stopped)) != 0)
            {
                return;
            }
            if (Interlocked.CompareExchange(ref _state, (state | Sending) & ~(Blocked | Deferred), state) == state)
            {
                _ = Libc.shutdown(_connection.Fd, Linux.SHUT_WR);
                if (EndSend(0))
                {
                    Send();
                }
                return;
            }
        }
    }

    /// <summary>
    /// No further send; unsent bytes are dropped and a parked flush ends. The half is released here, or by the thread
    /// that is sending.
    /// </summary>
    internal void Stop()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Stopped) != 0)
            {
                return;
            }
            var next = (state | Stopped | Sending) & ~(Deferred | Blocked);
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if ((state & Sending) == 0)
                {
                    EndSend(0);
                }
                return;
            }
        }
    }

    /// <summary>Runs what was queued: deferred flushes, the completion of a parked flush.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_connection.Loop.MovesToPool(this))
        {
            return;
        }
        var state = Interlocked.And(ref _state, ~(Queued | FlushReady));
        if ((state & Deferred) != 0)
        {
            Uncork(mayRunInline: true);
        }
        if ((state & FlushReady) != 0)
        {
            CompleteFlush();
        }
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
                GiveChain(chain);
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
            return;
        }
    }

    /// <summary>
    /// When not to send at once. Inside a dispatch more output is likely to come: the end of a chunked response after
    /// its body, the responses to pipelined requests. One send takes them all when the reader is drained or the
    /// dispatch ends. Outside of one, a second flush without new input in between comes from a protocol that writes
    /// piecemeal, as HTTP/2 does, stream by stream; its first flush after the next input will not be the only one either.
    /// </summary>
    private Deferral ChooseDeferral()
    {
        if (Unsent >= Math.Min(MaxDeferredBytes, _connection.MaxWriteBufferSize))
        {
            return Deferral.None;
        }
        return _connection.IsDispatching ? Deferral.Cork
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
                GiveChain(chain);
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
            _connection.ReleaseHalf();
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

    private int ClaimFlushIfRoom(int state)
        => (state & (Failed | Stopped)) != 0 || Unsent <= _connection.MaxWriteBufferSize / 2
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
