using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Connections.Input;

// How a read waits and goes on. What the loop, cancellers and the closing thread do to it is in
// ConnectionInput.Events.cs.
internal sealed partial class ConnectionInput
{
    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        var status = _read.Source.GetStatus(token);
        if (status == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("The read is pending: only one caller may await it.");
        }

        _read.EndWait();
        if (status != ValueTaskSourceStatus.Succeeded)
        {
            _state.TryClear(InputFlags.TokenCanceled);
            ForgetCancellation();
        }

        _read.Source.GetResult(token);
        return TakeResult();
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token)
    {
        if (_read.First.OnPolled())
        {
            StartDeferred();
        }

        return _read.Source.GetStatus(token);
    }

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        if (!_read.TryAwait())
        {
            // An exception here would end the process, because async methods do not expect one. The second caller that
            // awaits the read gets it from GetResult.
            ThreadPool.UnsafeQueueUserWorkItem(continuation, state, preferLocal: false);
            return;
        }

        var isDeferred = _read.First.OnAwaited();
        _read.Source.OnCompleted(continuation, state, token, flags);
        if (isDeferred)
        {
            StartDeferred();
        }
    }

    /// <summary>Resumes a claimed read, on the thread pool or as work of the loop.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (!_connection.Loop.Callbacks.TryMoveToPool(this))
        {
            Resume();
        }
    }

    private void Resume()
    {
        _state.TryClear(InputFlags.Claimed);
        _read.RenewReceives();
        Exception? failure = null;
        try
        {
            while (!TryFinish())
            {
                if (_state.TryPark())
                {
                    return;
                }
            }
        }
        catch (Exception exception)
        {
            // No memory for a block, for instance. That is the reader's failure and not the loop's.
            failure = exception;
        }

        // If the peer has finished sending, Kestrel aborts when it learns that. It learns it after the end itself has
        // been received, so that what came before can be answered first.
        _connection.Dispatch(ref _read.Source, failure);
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
            if (_target is { Filled: > 0 })
            {
                return true;
            }

            var state = _state.Flags;
            if ((state & (InputFlags.Canceled | InputFlags.TimedOut)) != 0 && IsInterrupted(state))
            {
                return true;
            }

            var hasUnexamined = _buffer.HasUnexamined;
            if ((state & InputFlags.TokenCanceled) != 0
                || (hasUnexamined && !_buffer.IsStalled)
                || _buffer.End != StreamEnd.None
                || InputTransitions.WeHaveEnded(state))
            {
                return true;
            }

            if (!hasUnexamined)
            {
                // The reader has nothing left to work on: what it has written so far goes out now.
                Uncork();
            }

            if (!TryTakeHeld() && !((!hasUnexamined || HasRoom) && TryReceive()))
            {
                return hasUnexamined;
            }

            _buffer.IsStalled = false;
        }
    }

    /// <summary>
    /// Whether the read ends as cancelled or because of its deadline, whatever there is to read. An end that we made
    /// says more than a deadline.
    /// </summary>
    private bool IsInterrupted(InputFlags state)
    {
        if ((state & InputFlags.Canceled) != 0 && _state.TryClear(InputFlags.Canceled))
        {
            _read.Interruption = ReadInterruption.Canceled;
            return true;
        }

        if ((state & InputFlags.TimedOut) != 0 && !InputTransitions.WeHaveEnded(state))
        {
            _read.Interruption = ReadInterruption.TimedOut;
            return true;
        }

        return false;
    }

    private bool MustYield() => _read.IsOutOfReceives && _connection.Loop.Callbacks.MustYield(_connection);

    /// <summary>
    /// A reader that polls on the loop's thread keeps the loop from seeing its edge. From the second vain call on, the
    /// reader looks itself.
    /// </summary>
    private bool TryFinishByLooking() => _read.WasVain && LookAtSocket() && TryFinish();

    /// <summary>
    /// On the loop's thread, takes the place of an edge that cannot be seen while the thread is kept.
    /// </summary>
    private bool LookAtSocket()
    {
        if (!_connection.Loop.IsCurrent || _state.Has(InputFlags.Full))
        {
            return false;
        }

        _state.Set(InputFlags.Ready);
        return true;
    }

    /// <summary>Sends what the reader has written so far, to its own peer or to another one.</summary>
    private void Uncork()
    {
        _connection.Output.Uncork();
        ThreadActivity.Current?.UncorkOther();
    }

    private bool MustDefer()
        => _read.First.IsFirst() && _buffer.End == StreamEnd.None && _connection.IsAccepted
            && _connection.Loop.Callbacks.RunOnLoopAtHome;

    private ValueTask<ReadResult> Defer(CancellationToken cancellationToken)
    {
        Uncork();
        _read.BeginWait(this, cancellationToken);
        _read.First.Defer();
        return new(this, _read.Source.Version);
    }

    /// <summary>Leaves the deferred read to the loop.</summary>
    private void StartDeferred()
    {
        if (_state.TryPark())
        {
            return;
        }

        _state.Set(InputFlags.Claimed);
        if (_state.Has(InputFlags.Ended))
        {
            // The loop may have ended with its last connection.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else
        {
            _connection.Loop.Post(this);
        }
    }

    /// <summary>Leaves the read to work that is queued now, so that other connections get their turn.</summary>
    private ValueTask<ReadResult> Postpone(CancellationToken cancellationToken)
    {
        Uncork();
        _read.BeginWait(this, cancellationToken);
        var result = new ValueTask<ReadResult>(this, _read.Source.Version);
        _state.Set(InputFlags.Claimed);
        _connection.Loop.Callbacks.Yield(this);
        return result;
    }
}
