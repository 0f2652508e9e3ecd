using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The receiving half of a connection: a <see cref="PipeReader"/> that receives from the socket when it is read.
/// This file has the reader's operations. <c>ConnectionInput.Wait.cs</c> has how a read waits and goes on,
/// <c>ConnectionInput.Events.cs</c> what ends the wait, <c>ConnectionInput.Receive.cs</c> the receives,
/// <c>ConnectionInput.Ahead.cs</c> what is received for a reader that does not come, and
/// <c>ConnectionInput.Stream.cs</c> what a stream reads.
/// </summary>
/// <remarks>
/// <para>
/// The application is one reader: <c>ReadAsync</c>, <c>TryRead</c>, <c>AdvanceTo</c> and <c>Complete</c> run one after
/// another. Only they, and the thread that resumes a parked read on their behalf, touch <see cref="ReadBuffer"/> and
/// <see cref="ReadOperation"/>. All other threads (the loop, cancellers, abort, dispose) change
/// <see cref="InputState"/>, whose remarks say what a thread may do that has changed it.
/// </para>
/// <para>A read is in one of five states:</para>
/// <list type="bullet">
/// <item>none;</item>
/// <item>running: a thread is inside <see cref="TryFinish"/>;</item>
/// <item>deferred: the first read, until it is awaited (<see cref="DeferredFirstRead"/>);</item>
/// <item>parked;</item>
/// <item>claimed: a thread has unparked it, or work is queued, and <see cref="Resume"/> will run.</item>
/// </list>
/// </remarks>
internal sealed partial class ConnectionInput : PipeReader, IValueTaskSource<ReadResult>, IThreadPoolWorkItem, IWatched
{
    private readonly StreamConnection _connection;
    private InputState _state;
    private ReadOperation _read;
    private ReadBuffer _buffer;
    private Receiver _receiver = new();

    internal ConnectionInput(StreamConnection connection) => _connection = connection;

    /// <summary>The state, as it is at this moment.</summary>
    internal InputFlags Flags => _state.Flags;

    /// <summary>Whether the peer's end of stream, or an error, has been received.</summary>
    internal bool HasEnded => _receiver.End != StreamEnd.None;

    /// <summary>How the stream has ended, as far as it was received.</summary>
    internal StreamEnd End => _receiver.End;

    /// <summary>Whether the peer has finished sending. Bytes that it sent before may still be unread.</summary>
    internal bool PeerFinished => _state.Has(InputFlags.PeerFinished);

    /// <summary>Whether the peer has finished sending or the connection has failed.</summary>
    internal bool PeerGone => _state.Has(InputFlags.PeerFinished | InputFlags.Broken);

    /// <summary>Whether the connection has failed, or was aborted after the peer's FIN.</summary>
    internal bool IsBroken => _state.Has(InputFlags.Broken);

    /// <summary>Whether a read waits for the peer.</summary>
    internal bool IsAwaited => _state.Has(InputFlags.Parked);

    /// <summary>Which read waits: another number for each.</summary>
    internal short Wait => _read.Source.Version;

    /// <summary>Whether something has arrived that is not received yet.</summary>
    internal bool HasArrived => _state.Has(InputFlags.Ready);

    /// <summary>Number of bytes received.</summary>
    internal long ReceivedBytes => _receiver.Bytes;

    /// <summary>Whether nothing more is received until the reader has made room.</summary>
    internal bool IsPaused => (_state.Flags & (InputFlags.Full | InputFlags.Ended)) == InputFlags.Full;

    /// <summary>Whether the reader is completed: then nothing more is received.</summary>
    internal bool IsCompleted => _state.Has(InputFlags.Completed);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        _read.ThrowIfNotReadable();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }

        if (!_buffer.HasUnexamined)
        {
            if (MustDefer())
            {
                return Defer(cancellationToken);
            }

            if (MustYield())
            {
                return Postpone(cancellationToken);
            }
        }
        else if (_buffer.IsStalled)
        {
            LookAtSocket();
        }

        while (!TryFinish())
        {
            _read.BeginWait(this, cancellationToken);
            var result = new ValueTask<ReadResult>(this, _read.Source.Version);
            if (_state.TryPark())
            {
                return result;
            }

            _read.EndWait();
        }

        return new(TakeResult());
    }

    public override bool TryRead(out ReadResult result)
    {
        ThrowIfCompleted();
        _read.ThrowIfNotReadable();
        if (TryFinish() || TryFinishByLooking())
        {
            _read.WasVain = false;
            result = TakeResult();
            return true;
        }

        _read.WasVain = true;
        if (_buffer.IsRewound)
        {
            // What was seen before. If the stream has ended since TryFinish looked, the next call says so.
            _read.Phase = ReadPhase.Reading;
            result = new ReadResult(_buffer.ToSequence(), isCanceled: false, isCompleted: false);
            return true;
        }

        // As with Pipe: the reader may advance, to nowhere.
        _read.Phase = ReadPhase.Tentative;
        result = default;
        return false;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        ThrowIfCompleted();
        if (_read.Phase == ReadPhase.None)
        {
            throw new InvalidOperationException("AdvanceTo was called without a read before it.");
        }

        _read.Phase = ReadPhase.None;
        _buffer.Advance(consumed, examined, ref _receiver.Segments);
        if (_state.Has(InputFlags.Full))
        {
            ContinueAhead();
        }
    }

    public override void CancelPendingRead() => Interrupt(InputFlags.Canceled);

    /// <summary>Returns the buffers. Bytes that arrive afterwards stay in the kernel.</summary>
    public override void Complete(Exception? exception = null)
    {
        if (IsCompleted)
        {
            return;
        }

        Interrupt(InputFlags.Completed);
        if (PeerGone)
        {
            // The end will not be received any more, so it is announced now.
            _connection.OnEndLeft();
        }

        // A thread that is receiving just now returns them when it is done.
        if (!_state.Has(InputFlags.Busy))
        {
            FreeBuffers();
        }
    }

    /// <summary>
    /// Gives the outcome of a read that <see cref="TryFinish"/> has brought to its end.
    /// </summary>
    private ReadResult TakeResult()
    {
        if (_target is { Filled: > 0 })
        {
            // The bytes are the caller's already, so a cancellation comes too late.
            _state.TryClear(InputFlags.TokenCanceled);
            _read.Phase = ReadPhase.Reading;
            return default;
        }

        if (_state.TryClear(InputFlags.TokenCanceled))
        {
            ForgetCancellation();
            WatchUnanswered();
            throw new OperationCanceledException(_read.Token);
        }

        var isCanceled = _read.Interruption != ReadInterruption.None;
        if (isCanceled)
        {
            var hasTimedOut = _read.Interruption == ReadInterruption.TimedOut;
            _read.Interruption = ReadInterruption.None;
            WatchUnanswered();
            if (hasTimedOut)
            {
                throw _connection.ReadTimedOut();
            }

            _read.Phase = ReadPhase.Tentative;
        }
        else
        {
            ThrowIfFailed();
            _read.Phase = ReadPhase.Reading;
        }

        return new ReadResult(_buffer.ToSequence(), isCanceled, isCompleted: _buffer.End == StreamEnd.Finished);
    }

    /// <summary>As with Pipe: a cancellation that comes together with that of the token is the same one.</summary>
    private void ForgetCancellation()
    {
        _read.Interruption = ReadInterruption.None;
        _state.TryClear(InputFlags.Canceled);
    }

    /// <summary>
    /// Throws if the read ends in an error. An end that the peer made is reported after the bytes before it, one that
    /// we made at once.
    /// </summary>
    private void ThrowIfFailed()
    {
        if (_buffer.End == StreamEnd.None)
        {
            // The peer's end may have been received ahead since TryFinish found that ours came first. The read is over
            // all the same: without anything to examine it would return nothing.
            var state = _state.Flags;
            if (InputTransitions.WeHaveEnded(state) || ((state & InputFlags.Ended) != 0 && !_buffer.HasUnexamined))
            {
                throw _connection.AbortReason
                    ?? new ConnectionAbortedException("This side closed the connection.");
            }
        }
        else if (_buffer.End != StreamEnd.Finished && (!_buffer.HasUnexamined || _buffer.IsStalled))
        {
            throw _buffer.End == StreamEnd.Reset
                ? new ConnectionResetException("The peer reset the connection.", _receiver.Error!)
                : new IOException("Receiving from the connection failed.", _receiver.Error);
        }
    }

    private void FreeBuffers()
    {
        if (!_buffer.IsEmpty)
        {
            // Before it is empty: DiscardUnread looks at both.
            _buffer.WasLeft = true;
        }

        _buffer.Free(ref _receiver.Segments);
        _held?.Bytes.Free(ref _receiver.Segments);
    }

    private void ThrowIfCompleted()
    {
        if (IsCompleted)
        {
            throw new InvalidOperationException("Reading is not allowed after the reader was completed.");
        }
    }
}
