using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The receiving half of a connection: a <see cref="PipeReader"/> that receives from the socket when it is read.
/// This file has the reader's operations; <c>ConnectionInput.Wait.cs</c> has what happens while there is nothing to
/// read, <c>ConnectionInput.Ahead.cs</c> what is received for a reader that does not come,
/// <c>ConnectionInput.Receive.cs</c> the system calls.
/// </summary>
/// <remarks>
/// <para>
/// Who may do what. The application is one reader: <c>ReadAsync</c>, <c>TryRead</c>, <c>AdvanceTo</c> and
/// <c>Complete</c> run one after another, and only they, or the thread that resumes a parked read on their behalf,
/// touch the reader's buffer. Everyone else (the loop, cancellers, abort, dispose) moves <see cref="Readiness"/>, and
/// the thread that clears its <c>Parked</c> bit resumes the read. Who receives holds its <c>Busy</c> bit; the bytes
/// that are held for the reader belong to that bit too.
/// </para>
/// <para>
/// A read is in one of five states: none; running (a thread is inside <see cref="TryFinish"/>); left to the loop, but
/// not started, as nobody awaits it yet (<c>_looksUntilMove</c>, the reader's own); parked; or claimed (a thread took
/// it from parked, or it is queued, and will run <see cref="Resume"/>).
/// </para>
/// </remarks>
internal sealed partial class ConnectionInput : PipeReader, IValueTaskSource<ReadResult>, IThreadPoolWorkItem, IWatched
{
    // Receives that one dispatch may make on the loop's thread before other connections get their turn.
    private const int MaxReceivesPerDispatch = 32;

    // Each of these ends reading, from our side.
    private const int Ended = Readiness.Stopped | Readiness.Closing | Readiness.Completed;

    private readonly StreamConnection _connection;
    private Readiness _readiness;
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;

    // The reader's bytes, from _consumed to the buffer's length. _examined is the most that a read has examined, and
    // _examinedLast what the last one has: as with Pipe, going back makes TryRead succeed, but not ReadAsync.
    private ReceivedBytes _buffer;
    private long _consumed;
    private long _examined;
    private long _examinedLast;
    private int _headIndex;

    private Reading _reading;
    private bool _hasRead;
    private bool _waiting;
    private bool _finishedAsCanceled;
    private bool _leftUnread;

    // The last AdvanceTo got nowhere: bytes that were seen before do not satisfy the next read.
    private bool _isStalled;

    // The count of receives when this dispatch began.
    private int _receivesBefore;
    private int _vainTries;

    internal ConnectionInput(StreamConnection connection) => _connection = connection;

    private enum Reading
    {
        No,

        /// <summary>A cancelled or vain read: the reader may read again without advancing.</summary>
        Tentatively,
        Yes,
    }

    private bool HasUnexamined => _buffer.Length > _examined;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfNotReadable();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }

        if (!HasUnexamined)
        {
            if (MustMoveToLoop())
            {
                return MoveToLoop(cancellationToken);
            }

            if (MustYield())
            {
                return Postpone(cancellationToken);
            }
        }
        else if (_isStalled)
        {
            LookAtSocket();
        }

        while (!TryFinish())
        {
            BeginWait(cancellationToken);
            var result = new ValueTask<ReadResult>(this, _source.Version);
            if (_readiness.TryPark())
            {
                return result;
            }

            EndWait();
        }

        return new(TakeResult());
    }

    public override bool TryRead(out ReadResult result)
    {
        ThrowIfNotReadable();
        if (TryFinish() || TryFinishByLooking() || _buffer.Length > _examinedLast)
        {
            _vainTries = 0;
            result = TakeResult();
            return true;
        }
        // As with Pipe: the reader may advance, to nowhere.
        _reading = Reading.Tentatively;
        result = default;
        return false;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        ThrowIfCompleted();
        if (_reading == Reading.No)
        {
            throw new InvalidOperationException("There is no read to advance: AdvanceTo follows a read that returned.");
        }

        _reading = Reading.No;
        _isStalled = false;
        if (_buffer.Head is null)
        {
            return;
        }

        var consumedTo = PositionOf(consumed, _consumed);
        var examinedTo = PositionOf(examined, consumedTo);
        if (consumedTo < _consumed || examinedTo < consumedTo || examinedTo > _buffer.Length)
        {
            throw new InvalidOperationException(
                "AdvanceTo needs positions of the last read's buffer, and examined must not lie before consumed.");
        }

        _isStalled = consumedTo == _consumed && examinedTo <= _examined;
        _examinedLast = examinedTo;
        _examined = Math.Max(examinedTo, _examined);
        Consume(consumedTo);
        if (_readiness.Has(Readiness.Full))
        {
            GoOnAhead();
        }
    }

    public override void CancelPendingRead()
    {
        if (_readiness.Signal(Readiness.Canceled))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Gives the buffers back. Bytes that arrive from now on stay in the kernel.</summary>
    public override void Complete(Exception? exception = null)
    {
        if (_readiness.Has(Readiness.Completed))
        {
            return;
        }

        _leftUnread = _buffer.Head is not null || _readiness.Has(Readiness.Held);
        if (_readiness.Signal(Readiness.Completed))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        if (PeerGone)
        {
            // Nobody receives the end any more.
            _connection.OnEndLeft();
        }
        // A thread that is receiving just now frees them when it is done.
        if (!_readiness.Has(Readiness.Busy))
        {
            FreeBuffers();
        }
    }

    /// <summary>As with Pipe: a cancellation that comes together with that of the token is the same one.</summary>
    private void ForgetCancellation()
    {
        _finishedAsCanceled = false;
        _readiness.Take(Readiness.Canceled);
    }

    private ReadResult TakeResult()
    {
        if (_readiness.Take(Readiness.TokenCanceled))
        {
            ForgetCancellation();
            throw new OperationCanceledException(_token);
        }

        var canceled = _finishedAsCanceled;
        _finishedAsCanceled = false;
        if (canceled)
        {
            WatchUnanswered();
        }
        else
        {
            ThrowIfFailed();
        }

        _reading = canceled ? Reading.Tentatively : Reading.Yes;
        var buffer = _buffer.Head is { } head
            ? new ReadOnlySequence<byte>(head, _headIndex, _buffer.Tail!, _buffer.Tail!.End)
            : ReadOnlySequence<byte>.Empty;
        return new ReadResult(buffer, canceled, isCompleted: _end == StreamEnd.Finished);
    }

    private void ThrowIfFailed()
    {
        // An end that the peer made is told after the bytes before it; one that we made, at once.
        if (_end == StreamEnd.None)
        {
            // Where the peer's end is held, this read was over before it: the next one tells.
            if (_readiness.Has(Ended) && !_readiness.Has(Readiness.EndHeld))
            {
                throw _connection.AbortReason
                    ?? new ConnectionAbortedException("The connection was closed by the server.");
            }
        }
        else if (_end != StreamEnd.Finished && (!HasUnexamined || _isStalled))
        {
            throw _end == StreamEnd.Reset
                ? new ConnectionResetException("The client reset the connection.", _receiveError!)
                : new IOException("Receiving from the connection failed.", _receiveError);
        }
    }

    private static long PositionOf(SequencePosition position, long fallback)
        => position.GetObject() is BufferSegment segment
            ? segment.RunningIndex + position.GetInteger()
            : fallback;

    private void Consume(long consumedTo)
    {
        _consumed = consumedTo;
        if (consumedTo == _buffer.Length)
        {
            FreeBuffer();
            return;
        }

        var head = _buffer.Head!;
        while (consumedTo >= head.RunningIndex + head.End)
        {
            var next = head.Following!;
            _segments.Give(head);
            head = next;
        }

        _buffer.Head = head;
        _headIndex = (int)(consumedTo - head.RunningIndex);
    }

    private void FreeBuffer()
    {
        // The length first: see Unexamined.
        _buffer.Free(ref _segments);
        _headIndex = 0;
        _consumed = _examined = _examinedLast = 0;
    }

    private void FreeBuffers()
    {
        FreeBuffer();
        _held.Free(ref _segments);
    }

    private void ThrowIfNotReadable()
    {
        ThrowIfCompleted();
        if (_waiting)
        {
            throw new InvalidOperationException("Reading is already in progress.");
        }

        if (_reading == Reading.Yes)
        {
            throw new InvalidOperationException("Reading is already in progress: AdvanceTo comes before the next read.");
        }
    }

    private void ThrowIfCompleted()
    {
        if (_readiness.Has(Readiness.Completed))
        {
            throw new InvalidOperationException("Reading is not allowed after the reader was completed.");
        }
    }
}
