using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Input;

// How a read waits and goes on: what the reader does when there is nothing to read, and what the loop, cancellers and a
// closing connection tell it.
internal sealed partial class ConnectionInput
{
    // Who awaits a read looks once or twice whether it is completed. Who looks more often does not await it.
    private const int LooksUntilMove = 5;

    // Above 0: a read that moves to the loop has not been started there.
    private int _looksUntilMove;
    private bool _isAwaited;

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("The read is pending: only one caller may await it.");
        }
        // Waits for a callback of the token that is running, so that it cannot hit the next read.
        EndWait();
        try
        {
            _source.GetResult(token);
        }
        catch
        {
            _readiness.Take(Readiness.TokenCanceled);
            ForgetCancellation();
            throw;
        }

        return TakeResult();
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token)
    {
        if (_looksUntilMove > 0 && --_looksUntilMove == 0)
        {
            StartOnLoop();
        }

        return _source.GetStatus(token);
    }

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        if (_isAwaited)
        {
            // Throwing here would end the process, in async methods. The second who awaits a read gets the exception
            // from it.
            ThreadPool.UnsafeQueueUserWorkItem(continuation, state, preferLocal: false);
            return;
        }

        _isAwaited = true;
        var moves = _looksUntilMove > 0;
        _source.OnCompleted(continuation, state, token, flags);
        if (moves)
        {
            StartOnLoop();
        }
    }

    /// <summary>Goes on with a claimed read, on the thread pool or as work of the loop.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (!_connection.Loop.Callbacks.TryMoveToPool(this))
        {
            Resume();
        }
    }

    /// <summary>The loop saw an edge.</summary>
    internal void OnReadable(PollEvents events)
    {
        var bits = events == PollEvents.Readable ? Readiness.Ready : Readiness.Ready | EndBits(events);
        var change = _readiness.SignalEdge(bits);
        if ((change & ReadinessChange.Watched) != 0)
        {
            WatchEdge();
        }

        if ((change & ReadinessChange.Unparked) == 0)
        {
            OnAbsent(bits);
        }
        else if (_connection.RunsInline)
        {
            _receivesBefore = _receives;
            Resume();
        }
        else
        {
            _readiness.Note(Readiness.Claimed);
            _connection.Loop.Callbacks.Post(this);
        }
    }

    /// <summary>
    /// A send found that the peer is gone. If it took the error of the connection, only a receive before anything else
    /// happens can tell how. Runs no application code: some is below on the stack.
    /// </summary>
    internal void OnSendFailed()
    {
        var bits = Readiness.Ready | EndBits(PollEvents.HangUp);
        var change = _readiness.SignalEdge(bits);
        if ((change & ReadinessChange.Watched) != 0)
        {
            WatchEdge();
        }

        if ((change & ReadinessChange.Unparked) != 0)
        {
            _readiness.Note(Readiness.Claimed);
            _connection.Loop.Post(this);
        }
        else
        {
            ReceiveAhead();
        }
    }

    private int EndBits(PollEvents events)
        => (events & (PollEvents.PeerClosed | PollEvents.Error | PollEvents.HangUp | PollEvents.Urgent)) == 0 ? 0
            : _connection.WasReset(events) ? Readiness.ReadOn | Readiness.Broken
            : (events & (PollEvents.PeerClosed | PollEvents.HangUp)) != 0 ? Readiness.ReadOn | Readiness.Finished
            : Readiness.ReadOn;

    /// <summary>Whether the peer has finished sending. Bytes it sent before may still be unread.</summary>
    internal bool PeerFinished => _readiness.Has(Readiness.Finished);

    /// <summary>Whether the peer has finished sending or the connection has failed.</summary>
    internal bool PeerGone => _readiness.Has(Readiness.Finished | Readiness.Broken);

    /// <summary>Whether the reader is completed: nobody will receive any more.</summary>
    internal bool IsCompleted => _readiness.Has(Readiness.Completed);

    /// <summary>The connection is being closed from our side: a pending read, and any later one, ends.</summary>
    internal void Close()
    {
        if (_readiness.Signal(Readiness.Closing))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>No further receive; a parked read ends. True when the caller has to give the descriptor up.</summary>
    internal bool Stop()
    {
        _readiness.Stop(out var released, out var claimed);
        if (claimed)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        return released;
    }

    private void Resume()
    {
        _readiness.Take(Readiness.Claimed);
        Exception? failure = null;
        try
        {
            while (!TryFinish())
            {
                if (_readiness.TryPark())
                {
                    return;
                }
            }
        }
        catch (Exception exception)
        {
            // No memory for a block, for instance: the reader learns of it, not the loop.
            failure = exception;
        }
        // Should the peer have finished sending, Kestrel aborts when it hears of it. It does so when the end itself has
        // been received, so that what came before can be answered first.
        _connection.Dispatch(ref _source, failure);
    }

    /// <summary>
    /// Brings the read to an end if it can have one now: cancelled, bytes to examine, end of stream, abort. Takes what
    /// is held, or receives, when nothing is buffered, and once when the reader waits for more than it has seen.
    /// <see cref="TakeResult"/> then gives the outcome.
    /// </summary>
    private bool TryFinish()
    {
        while (true)
        {
            if (_readiness.Take(Readiness.Canceled))
            {
                return _finishedAsCanceled = true;
            }

            var hasUnexamined = HasUnexamined;
            if (_readiness.Has(Readiness.TokenCanceled)
                || (hasUnexamined && !_isStalled)
                || _end != StreamEnd.None
                || (_readiness.Has(Ended) && !_readiness.Has(Readiness.EndHeld)))
            {
                return true;
            }

            if (!hasUnexamined)
            {
                // The reader has nothing left to work on: what it wrote so far goes out now.
                _connection.Output.Uncork();
            }

            if (!TryTakeHeld() && !((!hasUnexamined || HasRoom) && TryReceive()))
            {
                return hasUnexamined;
            }

            _isStalled = false;
        }
    }

    private bool MustYield()
        => _receives - _receivesBefore >= MaxReceivesPerDispatch && _connection.RunsInline && _connection.IsDispatching;

    /// <summary>
    /// A reader that polls on the loop's thread keeps the loop from seeing its edge: from the second vain call on, it
    /// looks itself.
    /// </summary>
    private bool TryFinishByLooking() => _vainTries++ > 0 && LookAtSocket() && TryFinish();

    /// <summary>On the loop's thread, takes the place of an edge that cannot be seen as long as it is kept.</summary>
    private bool LookAtSocket()
    {
        if (!_connection.Loop.IsCurrent || _readiness.Has(Readiness.Full))
        {
            return false;
        }

        _readiness.Note(Readiness.Ready);
        return true;
    }

    /// <summary>
    /// Kestrel starts a connection on the thread pool. If the first request were read there, its handler would run, and
    /// perhaps block, there: with as few threads as the pool starts with, new connections then wait for each other.
    /// </summary>
    private bool MustMoveToLoop()
    {
        var isFirst = !_hasRead;
        _hasRead = true;
        return isFirst && _end == StreamEnd.None && _connection.RunsInline;
    }

    /// <summary>
    /// Leaves the read to the loop, but not before the reader waits for it: a loop that is faster completes it first,
    /// and then the reader goes on right here.
    /// </summary>
    private ValueTask<ReadResult> MoveToLoop(CancellationToken cancellationToken)
    {
        _connection.Output.Uncork();
        BeginWait(cancellationToken);
        _looksUntilMove = LooksUntilMove;
        return new(this, _source.Version);
    }

    private void StartOnLoop()
    {
        _looksUntilMove = 0;
        if (_readiness.TryPark())
        {
            return;
        }

        _readiness.Note(Readiness.Claimed);
        if (_readiness.Has(Ended))
        {
            // The loop may have ended with its last connection.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else
        {
            _connection.Loop.Post(this);
        }
    }

    /// <summary>Leaves the read to work that is queued now.</summary>
    private ValueTask<ReadResult> Postpone(CancellationToken cancellationToken)
    {
        _receivesBefore = _receives;
        _connection.Output.Uncork();
        BeginWait(cancellationToken);
        var result = new ValueTask<ReadResult>(this, _source.Version);
        _readiness.Note(Readiness.Claimed);
        _connection.Loop.Callbacks.Yield(this);
        return result;
    }

    private void BeginWait(CancellationToken cancellationToken)
    {
        _waiting = true;
        _isAwaited = false;
        _source.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            _token = cancellationToken;
            _registration = cancellationToken.UnsafeRegister(
                static input => ((ConnectionInput)input!).CancelByToken(), this);
        }
    }

    private void EndWait()
    {
        _waiting = false;
        if (_token.CanBeCanceled)
        {
            _registration.Dispose();
            _registration = default;
            if (!_token.IsCancellationRequested)
            {
                _token = default;
            }
        }
    }

    private void CancelByToken()
    {
        if (_readiness.Signal(Readiness.TokenCanceled))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
