using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// The receiving half of a connection: a <see cref="PipeReader"/> that receives from the socket when it is read.
/// This file has the reader's operations; <c>ConnectionInput.Receive.cs</c> has the system calls.
/// </summary>
/// <remarks>
/// <para>
/// Who may do what. The application is one reader: <c>ReadAsync</c>, <c>TryRead</c>, <c>AdvanceTo</c> and
/// <c>Complete</c> run one after another, and only they, or the thread that resumes a parked read on their behalf,
/// touch the buffers. Everyone else (the loop, cancellers, abort, dispose) moves <see cref="Readiness"/>, and the
/// thread that clears its <c>Parked</c> bit resumes the read.
/// </para>
/// <para>
/// A read is in one of four states: none; running (a thread is inside <see cref="TryFinish"/>); parked; or claimed
/// (a thread took it from parked, or it is queued, and will run <see cref="Resume"/>).
/// </para>
/// </remarks>
internal sealed partial class ConnectionInput : PipeReader, IValueTaskSource<ReadResult>, IThreadPoolWorkItem
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

    // The buffered bytes: from _consumed in _head to _received in _tail. Positions count all bytes since the buffer
    // was last empty.
    private BufferSegment? _head;
    private BufferSegment? _tail;
    private long _consumed;
    private long _examined;
    private long _received;
    private int _headIndex;

    private Reading _reading;
    private bool _hasRead;
    private bool _waiting;
    private bool _finishedAsCanceled;
    private bool _leftUnread;
    private int _receivesInDispatch;

    internal ConnectionInput(StreamConnection connection) => _connection = connection;

    private enum Reading
    {
        No,

        /// <summary>A cancelled or vain read: the reader may read again without advancing.</summary>
        Tentatively,
        Yes,
    }

    /// <summary>Whether received bytes wait for the reader.</summary>
    internal bool HasBuffered => _head is not null;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfNotReadable();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }
        if (_received == _examined)
        {
            if (MustMoveToLoop())
            {
                return Postpone(static (loop, read) => loop.Post(read), cancellationToken);
            }
            if (MustYield())
            {
                return Postpone(static (loop, read) => loop.Yield(read), cancellationToken);
            }
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
        if ((_received > _examined || !MustYield()) && TryFinish())
        {
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
        if (_head is null)
        {
            return;
        }

        var consumedTo = PositionOf(consumed, _consumed);
        var examinedTo = PositionOf(examined, consumedTo);
        if (consumedTo < _consumed || examinedTo < consumedTo || examinedTo > _received)
        {
            throw new InvalidOperationException(
                "AdvanceTo needs positions of the last read's buffer, and examined must not lie before consumed.");
        }
        // As with Pipe: what was examined before stays examined, so that going back does not make the next read
        // return at once.
        _examined = Math.Max(examinedTo, _examined);
        Consume(consumedTo);
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
        _leftUnread = _head is not null;
        if (_readiness.Signal(Readiness.Completed))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        // A thread that is receiving just now frees them when it is done.
        if (!_readiness.Has(Readiness.Busy))
        {
            FreeBuffers();
        }
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        // Waits for a callback of the token that is running, so that it cannot hit the next read.
        EndWait();
        try
        {
            _source.GetResult(token);
        }
        catch
        {
            _readiness.Take(Readiness.TokenCanceled);
            throw;
        }
        return TakeResult();
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _source.OnCompleted(continuation, state, token, flags);

    /// <summary>Goes on with a claimed read, on the thread pool or as work of the loop.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (!_connection.Loop.MovesToPool(this))
        {
            Resume();
        }
    }

    /// <summary>The loop saw an edge. True when it makes a pending read go on.</summary>
    internal bool OnReadable(PollEvents events)
    {
        var bits = Readiness.Ready;
        if (events != PollEvents.Readable && (events & (PollEvents.PeerClosed | PollEvents.Error | PollEvents.Urgent)) != 0)
        {
            bits |= Readiness.ReadOn;
            // A send that failed may have used up the error, and kqueue then tells only that the peer sends no more.
            bits |= (events & PollEvents.Error) != 0 ? Readiness.Broken
                : (events & PollEvents.PeerClosed) == 0 ? 0
                : _connection.Output.WasReset ? Readiness.Broken
                : Readiness.Finished;
        }
        if (!_readiness.Signal(bits))
        {
            return _readiness.Has(Readiness.Claimed);
        }
        if (_connection.RunsInline)
        {
            _receivesInDispatch = 0;
            Resume();
        }
        else
        {
            _readiness.Note(Readiness.Claimed);
            _connection.Loop.PostToPool(this);
        }
        return true;
    }

    /// <summary>Whether the peer has finished sending. Bytes it sent before may still be unread.</summary>
    internal bool PeerFinished => _readiness.Has(Readiness.Finished);

    /// <summary>Whether the peer has finished sending or the connection has failed.</summary>
    internal bool PeerGone => _readiness.Has(Readiness.Finished | Readiness.Broken);

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
        _connection.Dispatch(ref _source, failure);
        if (PeerGone)
        {
            // Not earlier: Kestrel then aborts, and what came with the FIN was to be answered first.
            _connection.AnnounceClosed();
        }
    }

    /// <summary>
    /// Brings the read to an end if it can have one now: cancelled, bytes to examine, end of stream, abort. Receives
    /// when nothing is buffered. <see cref="TakeResult"/> then gives the outcome.
    /// </summary>
    private bool TryFinish()
    {
        while (true)
        {
            if (_readiness.Take(Readiness.Canceled))
            {
                return _finishedAsCanceled = true;
            }
            if (_readiness.Has(Readiness.TokenCanceled | Ended)
                || _received > _examined
                || _end != StreamEnd.None)
            {
                return true;
            }

            // The reader has nothing left to work on: what it wrote so far goes out now.
            _connection.Output.Uncork();

            if (!_readiness.TryBegin(unless: Ended))
            {
                if (_readiness.Has(Readiness.Ready | Readiness.Canceled | Readiness.TokenCanceled | Ended))
                {
                    continue;
                }
                return false;
            }
            ReceiveOnce();
        }
    }

    private ReadResult TakeResult()
    {
        if (_readiness.Take(Readiness.TokenCanceled))
        {
            throw new OperationCanceledException(_token);
        }
        var canceled = _finishedAsCanceled;
        _finishedAsCanceled = false;
        if (!canceled)
        {
            ThrowIfFailed();
        }
        _reading = canceled ? Reading.Tentatively : Reading.Yes;
        var buffer = _head is null
            ? ReadOnlySequence<byte>.Empty
            : new ReadOnlySequence<byte>(_head, _headIndex, _tail!, _tail!.End);
        return new ReadResult(buffer, canceled, isCompleted: _end == StreamEnd.Finished);
    }

    private void ThrowIfFailed()
    {
        // An end that the peer made is told after the bytes before it; one that we made, at once.
        if (_end == StreamEnd.None)
        {
            if (_readiness.Has(Ended))
            {
                throw _connection.AbortReason
                    ?? new ConnectionAbortedException("The connection was closed by the server.");
            }
        }
        else if (_end != StreamEnd.Finished && _received == _examined)
        {
            throw _end == StreamEnd.Reset
                ? new ConnectionResetException("The client reset the connection.", _receiveError!)
                : new IOException("Receiving from the connection failed.", _receiveError);
        }
    }

    private bool MustYield()
        => _connection.RunsInline && _connection.IsDispatching && ++_receivesInDispatch > MaxReceivesPerDispatch;

    /// <summary>
    /// Kestrel starts a connection on the thread pool. If the first request were read there, its handler would run, and perhaps
    /// block, there: with as few threads as the pool starts with, new connections then wait for each other.
    /// </summary>
    private bool MustMoveToLoop()
    {
        var isFirst = !_hasRead;
        _hasRead = true;
        return isFirst && _connection.RunsInline && _readiness.Has(Readiness.Ready);
    }

    /// <summary>Leaves the read to work that is queued now.</summary>
    private ValueTask<ReadResult> Postpone(
        Action<EventLoop, IThreadPoolWorkItem> queue, CancellationToken cancellationToken)
    {
        _receivesInDispatch = 0;
        _connection.Output.Uncork();
        BeginWait(cancellationToken);
        var result = new ValueTask<ReadResult>(this, _source.Version);
        _readiness.Note(Readiness.Claimed);
        queue(_connection.Loop, this);
        return result;
    }

    private void BeginWait(CancellationToken cancellationToken)
    {
        _waiting = true;
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

    private static long PositionOf(SequencePosition position, long fallback)
        => position.GetObject() is BufferSegment segment
            ? segment.RunningIndex + position.GetInteger()
            : fallback;

    private void Consume(long consumedTo)
    {
        _consumed = consumedTo;
        if (consumedTo == _received)
        {
            FreeBuffers();
            return;
        }
        var head = _head!;
        while (consumedTo >= head.RunningIndex + head.End)
        {
            var next = head.Following!;
            _segments.Give(head);
            head = next;
        }
        _head = head;
        _headIndex = (int)(consumedTo - head.RunningIndex);
    }

    private void FreeBuffers()
    {
        // Complete and a receive that ends at the same time may both come here.
        var segment = Interlocked.Exchange(ref _head, null);
        _tail = null;
        _headIndex = 0;
        _consumed = _examined = _received = 0;
        while (segment is not null)
        {
            var next = segment.Following;
            _segments.Give(segment);
            segment = next;
        }
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
