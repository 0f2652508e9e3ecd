using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections.Buffers;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// The sending half of a connection: a <see cref="PipeWriter"/> that sends to the socket when it is flushed.
/// This file has the writer's operations; <c>ConnectionOutput.Send.cs</c> has the sender's,
/// <c>ConnectionOutput.Signals.cs</c> what others tell it, <c>ConnectionOutput.Vectors.cs</c> the system calls.
/// </summary>
/// <remarks>
/// <para>
/// Written bytes lie in a chain of segments. The <em>writer</em> (the application, one at a time) appends at the tail
/// and publishes what is committed; the <em>sender</em> (whichever thread set <see cref="Sending"/>: the flushing
/// one, the loop after an edge, a pool thread for deferred flushes) takes from the head. They may run at the same
/// time and share nothing but the chain's links, two counters, and the word <c>_state</c>:
/// </para>
/// <list type="bullet">
/// <item><see cref="Open"/>: the writer holds the tail. Set when it gets memory, cleared by its flush.</item>
/// <item><see cref="HasChain"/>: there are segments. Set by the writer; whoever clears it frees the chain, and that
/// may be anyone who finds the chain neither open nor being sent.</item>
/// <item><see cref="Sending"/>: one thread sends and nobody closes the descriptor. <see cref="Again"/> tells it that
/// more was committed, <see cref="Edge"/> that the socket became writable meanwhile: neither gets lost.</item>
/// <item><see cref="Blocked"/>: the socket is full; the loop sends on at the next edge.</item>
/// <item><see cref="Deferred"/>: committed bytes wait for the end of a dispatch, for the reader to drain, or for a
/// queued work item (<see cref="Queued"/>); whoever clears the bit sends them.</item>
/// <item><see cref="FlushParked"/>: a flush waits; who clears it sets <see cref="FlushReady"/> and queues its
/// completion. <see cref="FlushCanceled"/> and <see cref="TokenCanceled"/> end it as cancelled. The writer parks
/// another only when the one before has completed, which the completion source tells.</item>
/// <item><see cref="Draining"/>: dispose waits until all is sent.</item>
/// <item><see cref="Failed"/>: the peer is gone. <see cref="Stopped"/>: abort or close. Both drop what is unsent.
/// <see cref="Released"/>: no system call runs or will run.</item>
/// </list>
/// </remarks>
internal sealed partial class ConnectionOutput : PipeWriter, IValueTaskSource<FlushResult>, IThreadPoolWorkItem
{
    private const int Open = 1;
    private const int HasChain = 2;
    private const int Sending = 4;
    private const int Again = 8;
    private const int Edge = 16;
    private const int Blocked = 32;
    private const int Deferred = 64;
    private const int Queued = 128;
    private const int FlushParked = 256;
    private const int FlushReady = 512;
    private const int FlushCanceled = 1024;
    private const int Draining = 2048;
    private const int Failed = 4096;
    private const int Stopped = 8192;
    private const int Released = 16384;
    private const int TokenCanceled = 32768;

    // A flush of this much is worth a system call of its own.
    private const int MaxDeferredBytes = 64 * 1024;

    private readonly StreamConnection _connection;
    private int _state;
    private SegmentCache _segments;
    private ManualResetValueTaskSourceCore<bool> _flush;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;

    // The writer's.
    private BufferSegment? _tail;
    private long _written;
    private bool _isOpen;
    private bool _completed;

    // A flush was left to wait. It may have completed since, without anybody who awaited it.
    private bool _isFlushing;
    private bool _isAwaited;

    // Written by the writer, read by the sender.
    private long _committed;

    internal ConnectionOutput(StreamConnection connection) => _connection = connection;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _written - _committed;

    private long Unsent => _committed - Volatile.Read(ref _sent);

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _tail!.Block[_tail.End..];
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureRoom(sizeHint);
        return _tail!.Block.Span[_tail.End..];
    }

    public override void Advance(int bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        if (!_isOpen || (uint)bytes > (uint)_tail!.Free)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, "Advance takes at most the length of the memory got last.");
        }

        _tail.SetEnd(_tail.End + bytes);
        _written += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        Commit(mayDefer: true);
        if (_isFlushing && IsStillFlushing(cancellationToken))
        {
            return new(this, _flush.Version);
        }

        return Unsent >= _connection.MaxWriteBufferSize ? WaitForRoom(cancellationToken) : new(TakeFlushResult());
    }

    public override void CancelPendingFlush() => ReleaseFlush(FlushCanceled);

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
        Unregister();
        if (exception is not null)
        {
            _connection.AbortOnWriterError(exception);
        }

        Commit(mayDefer: false);
        if (!BeginDrain())
        {
            _connection.OnOutputDrained();
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        // Throws when the flush is pending: for the second who awaits it.
        _flush.GetResult(token);
        Unregister();
        _isFlushing = false;
        return TakeFlushResult();
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _flush.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        if (_isAwaited)
        {
            // Throwing here would end the process, in async methods. As with Pipe, the second who awaits a flush gets
            // an exception from it.
            ThreadPool.UnsafeQueueUserWorkItem(continuation, state, preferLocal: false);
            return;
        }

        _isAwaited = true;
        _flush.OnCompleted(continuation, state, token, flags);
    }

    /// <summary>
    /// As with Pipe: a flush while another one waits, which nobody awaits, is the same one, with its own token. One
    /// that has completed since leaves nothing behind.
    /// </summary>
    private bool IsStillFlushing(CancellationToken cancellationToken)
    {
        if (_flush.GetStatus(_flush.Version) == ValueTaskSourceStatus.Pending)
        {
            if (cancellationToken.CanBeCanceled)
            {
                Register(cancellationToken);
            }

            return true;
        }

        Unregister();
        Interlocked.And(ref _state, ~TokenCanceled);
        _isFlushing = false;
        return false;
    }

    private void Register(CancellationToken cancellationToken)
    {
        Unregister();
        _token = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(
            static output => ((ConnectionOutput)output!).ReleaseFlush(TokenCanceled), this);
    }

    private void Unregister()
    {
        // Waits for a callback that is running.
        _registration.Dispose();
        _registration = default;
    }

    private void EnsureRoom(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        ThrowIfCompleted();
        if (!_isOpen)
        {
            OpenChain(sizeHint);
        }

        if (_tail!.Free < Math.Max(sizeHint, 1))
        {
            var segment = RentSegment(sizeHint);
            _tail.Following = segment;
            _tail = segment;
        }
    }

    private void OpenChain(int sizeHint)
    {
        BufferSegment? fresh = null;
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & HasChain) == 0)
            {
                // Only the writer starts a chain, so this cannot change until the exchange.
                fresh ??= RentSegment(sizeHint);
                _head = fresh;
                _headOffset = 0;
            }

            if (Interlocked.CompareExchange(ref _state, state | Open | HasChain, state) == state)
            {
                _tail = (state & HasChain) == 0 ? fresh : _tail;
                _isOpen = true;
                return;
            }
        }
    }

    private BufferSegment RentSegment(int sizeHint)
    {
        var segment = _segments.Take();
        segment.Rent(_connection.Pool, Math.Max(sizeHint, StreamConnection.BlockSize));
        return segment;
    }

    private ValueTask<FlushResult> WaitForRoom(CancellationToken cancellationToken)
    {
        _flush.Reset();
        _isAwaited = false;
        if (cancellationToken.CanBeCanceled)
        {
            Register(cancellationToken);
        }

        var result = new ValueTask<FlushResult>(this, _flush.Version);
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & (Stopped | Failed | FlushCanceled | TokenCanceled)) != 0
                || Unsent < _connection.MaxWriteBufferSize)
            {
                Unregister();
                return new(TakeFlushResult());
            }
            // Unsent bytes mean that somebody is bound to send. That thread moves the state before it leaves and sees
            // the parked flush, unless it did so, and came back to the same state, since the state was read above.
            if (Interlocked.CompareExchange(ref _state, state | FlushParked, state) == state)
            {
                _isFlushing = true;
                if (Unsent <= _connection.MaxWriteBufferSize / 2)
                {
                    ReleaseFlush(0);
                }

                return result;
            }
        }
    }

    private FlushResult TakeFlushResult()
    {
        var state = Volatile.Read(ref _state);
        if ((state & (FlushCanceled | TokenCanceled)) != 0)
        {
            Interlocked.And(ref _state, ~(FlushCanceled | TokenCanceled));
            if ((state & TokenCanceled) != 0)
            {
                throw new OperationCanceledException(_token);
            }
        }

        return new FlushResult((state & FlushCanceled) != 0, isCompleted: (state & (Failed | Stopped)) != 0);
    }

    private void ThrowIfCompleted()
    {
        if (_completed)
        {
            throw new InvalidOperationException("Writing is not allowed after the writer was completed.");
        }
    }
}
