using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// The sending half of a connection: a <see cref="PipeWriter"/> that sends to the socket when it is flushed.
/// </summary>
/// <remarks>
/// Two roles share it. The <em>writer</em> is the application, one call at a time: it fills the
/// <see cref="SendQueue"/>, commits, and waits for room. Its part is in this file. The <em>sender</em> is the thread
/// that has set <see cref="OutputFlags.Sending"/>: the flushing thread, the loop after an edge, or a thread that sends
/// deferred bytes. Its part is in <c>ConnectionOutput.Sender.cs</c>. <see cref="OutputState"/> keeps them apart.
/// </remarks>
internal sealed partial class ConnectionOutput
    : PipeWriter, IValueTaskSource<FlushResult>, IThreadPoolWorkItem, ICorkedOutput
{
    private const OutputFlags Ended = OutputFlags.Failed | OutputFlags.Stopped;

    // Each of these ends a flush before there is room.
    private const OutputFlags Interrupted
        = OutputFlags.FlushCanceled | OutputFlags.TokenCanceled | OutputFlags.FlushTimedOut;

    private readonly StreamConnection _connection;
    private OutputState _state;
    private SendQueue _queue;
    private DeferralPolicy _deferral;
    private PendingFlush _flush;
    private bool _completed;
    private bool _finished;

    internal ConnectionOutput(StreamConnection connection) => _connection = connection;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _queue.Uncommitted;

    /// <summary>The state, as it is at this moment.</summary>
    internal OutputFlags Flags => _state.Flags;

    /// <summary>Number of bytes that are committed and not sent.</summary>
    internal long Unsent => _queue.Unsent;

    /// <summary>Number of bytes that the kernel has taken.</summary>
    internal long Sent => _queue.Sent;

    /// <summary>Whether <see cref="FinishSending"/> was called.</summary>
    internal bool FinishIsAsked => Volatile.Read(ref _finished);

    /// <summary>Whether the writer is completed and the rest is still to be sent.</summary>
    internal bool IsDraining => _state.Has(OutputFlags.Draining);

    /// <summary>Whether the socket is full, and the rest waits until the peer takes more.</summary>
    internal bool IsStalled => _state.Has(OutputFlags.Blocked);

    private bool IsFull => _queue.Unsent >= _connection.MaxWriteBufferSize;

    // Lower than IsFull: a flush that waits is not released for every few bytes.
    private bool HasRoom => _queue.Unsent <= _connection.MaxWriteBufferSize / 2;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _queue.Free;
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _queue.Free.Span;
    }

    public override void Advance(int bytes)
    {
        if (bytes != 0 && !_queue.TryAdvance(bytes))
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, "Cannot advance past the end of the memory that GetMemory or GetSpan returned.");
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfEnded();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if ((_state.Flags & (OutputFlags.TimedOut | Ended)) == OutputFlags.TimedOut)
        {
            // What was written stays with the writer, and the next flush commits it.
            return ValueTask.FromException<FlushResult>(_connection.FlushTimedOut());
        }

        _queue.Commit();
        var place = _connection.IsAccepted
            ? CallbackPlace.OfFlush(_connection, this, _connection.Loop)
            : CallbackPlace.Of(_connection);
        Publish(_deferral.OnFlush(place.IsInside, _queue.Unsent, _connection.MaxWriteBufferSize), place);
        if (_flush.IsOutstanding && IsStillFlushing(cancellationToken))
        {
            return new(this, _flush.Version);
        }

        return IsFull ? WaitForRoom(cancellationToken) : new(TakeFlushResult());
    }

    public override void CancelPendingFlush()
    {
        // A second cancellation changes nothing. What the caller wrote before it must be visible all the same to the
        // flush that the first one ends, as with Pipe, which takes a lock.
        Interlocked.MemoryBarrier();
        ReleaseFlush(OutputFlags.FlushCanceled);
    }

    /// <summary>
    /// Sends what was written, flushed or not, and then closes the connection, as the stock transport does. An error
    /// resets it.
    /// </summary>
    public override void Complete(Exception? exception = null)
    {
        if (_completed)
        {
            return;
        }

        _completed = true;
        _flush.Unregister();
        if (exception is not null)
        {
            _connection.AbortOnWriterError(exception);
        }

        _queue.Commit();
        Publish(Deferral.None);
        if (_state.Make(OutputTransitions.BeginDrain).Action == OutputAction.ReportDrained)
        {
            _connection.OnOutputDrained();
        }
        else
        {
            _connection.OnDraining();
        }
    }

    /// <summary>
    /// Sends what was written, flushed or not, and then a FIN. A flush that waits goes on waiting until there is room.
    /// </summary>
    internal void FinishSending()
    {
        if (_completed || _finished)
        {
            return;
        }

        _finished = true;
        _queue.Commit();
        Publish(Deferral.None);
        if (_state.Make(OutputTransitions.BeginFinish).Action == OutputAction.Send)
        {
            Send();
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        _flush.GetResult(token);
        return TakeFlushResult();
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _flush.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _flush.OnCompleted(continuation, state, token, flags);

    /// <summary>The write deadline has passed: a flush that waits fails, and any later one.</summary>
    internal void Expire()
    {
        if (_state.Make(OutputTransitions.Expire).Action == OutputAction.QueueWork)
        {
            QueueWork(preferLocal: false);
        }
    }

    /// <summary>The write deadline has been moved: flushes succeed again.</summary>
    internal void Revive() => _state.Make(OutputTransitions.Revive);

    internal void OnFlushTokenCanceled() => ReleaseFlush(OutputFlags.TokenCanceled);

    private void EnsureRoom(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        ThrowIfEnded();
        if (!_queue.IsOpen)
        {
            OpenChain(sizeHint);
        }

        _queue.EnsureRoom(_connection.Pool, sizeHint);
    }

    private void OpenChain(int sizeHint)
    {
        if ((_state.Make(OutputTransitions.ReopenChain).After & OutputFlags.HasChain) == 0)
        {
            _queue.Start(_connection.Pool, sizeHint);
            _state.Make(OutputTransitions.OpenChain);
        }

        _queue.Open();
    }

    private bool IsStillFlushing(CancellationToken cancellationToken)
    {
        if (_flush.TryJoin(this, cancellationToken))
        {
            return true;
        }

        _state.Make(OutputTransitions.ForgetToken);
        return false;
    }

    private ValueTask<FlushResult> WaitForRoom(CancellationToken cancellationToken)
    {
        _flush.Begin(this, cancellationToken);
        var result = new ValueTask<FlushResult>(this, _flush.Version);
        OutputMove move;
        do
        {
            move = OutputTransitions.ParkFlush(_state.Flags, IsFull);
        }
        while (!_state.TryMake(move));

        if ((move.After & OutputFlags.FlushParked) == 0)
        {
            _flush.Unregister();
            return new(TakeFlushResult());
        }

        // The sender sees the parked flush when it stops sending, and releases it. It does not if it stopped after
        // IsFull was read and the state was the same again, so the writer looks once more.
        _flush.SetOutstanding();
        if (HasRoom)
        {
            ReleaseFlush(OutputFlags.None);
        }

        return result;
    }

    private void ReleaseFlush(OutputFlags cancellation)
    {
        if (_state.Make(OutputTransitions.ReleaseFlush, cancellation).Action == OutputAction.QueueWork)
        {
            QueueWork(preferLocal: false);
        }
    }

    private FlushResult TakeFlushResult()
    {
        var flags = _state.Flags;
        if ((flags & Interrupted) != 0)
        {
            flags = _state.Make(OutputTransitions.TakeCancellation).Before;
        }

        if ((flags & OutputFlags.TokenCanceled) != 0)
        {
            throw new OperationCanceledException(_flush.Token);
        }

        if ((flags & (OutputFlags.FlushTimedOut | OutputFlags.FlushCanceled | Ended)) == OutputFlags.FlushTimedOut)
        {
            throw _connection.FlushTimedOut();
        }

        return new FlushResult(
            isCanceled: (flags & OutputFlags.FlushCanceled) != 0,
            isCompleted: (flags & Ended) != 0);
    }

    private void ThrowIfEnded()
    {
        if (_completed || _finished)
        {
            ThrowEnded();
        }
    }

    // Apart from the test, which is then inlined.
    private void ThrowEnded() => throw new InvalidOperationException(
        _completed
            ? "Writing is not allowed after the writer was completed."
            : "Writing is not allowed after FinishSending was called.");
}
