using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The sending side of a socket. What the handler sends during its call is collected and goes to the kernel together
/// (<see cref="OutboxState"/>). Other threads pass their datagrams to the kernel themselves. If the socket is full,
/// datagrams are queued (<see cref="BacklogWord"/>).
/// </summary>
/// <remarks>
/// A full socket is tried again after a delay, not at a writable edge: the kernel reports one for every datagram that
/// leaves (<c>net/core/sock.c: sock_def_write_space</c>), and none when a queue of the network was full.
/// </remarks>
internal sealed class DatagramOutput
{
    // Milliseconds until a full socket is tried again.
    private const int FullDelay = 1;

    // Milliseconds until a send that failed for want of kernel memory is tried again.
    internal const int ShortageDelay = 10;

    // Batches of one flush. The rest is left to the loop, so that others get their turn.
    private const int MaxBatches = 8;

    // Bytes of the longest datagram that the queue and the collected batch take: more than UDP can carry.
    private const int MaxPayload = 65_535;

    private readonly DatagramSocket _socket;
    private readonly DatagramWriter _writer;
    private readonly DatagramSendBatch _outbox;
    private readonly DatagramQueue _queue;
    private readonly Rest _rest;
    private readonly FullTimer _fullTimer;
    private readonly int _family;
    private readonly bool _hasBatches;
    private readonly bool _isConnected;
    private DatagramSendBatch? _flushed;
    private OutboxWord _collected;
    private BacklogWord _backlog;
    private int _callbackThread;
    private long _dropped;

    /// <param name="socket">The socket.</param>
    /// <param name="family">Its family.</param>
    /// <param name="hasBatches">Whether to use <c>sendmmsg(2)</c>.</param>
    /// <param name="isConnected">Whether the socket has one peer.</param>
    /// <param name="maxQueueSize">How many bytes may wait while the socket is full.</param>
    internal DatagramOutput(DatagramSocket socket, int family, bool hasBatches, bool isConnected, long maxQueueSize)
    {
        _socket = socket;
        _family = family;
        _hasBatches = hasBatches;
        _isConnected = isConnected;
        _writer = new DatagramWriter(socket, family, isConnected);
        _outbox = new DatagramSendBatch(family, hasBatches);
        _queue = new DatagramQueue(maxQueueSize);
        _rest = new Rest(this);
        _fullTimer = new FullTimer(this);
    }

    internal long Sent => _writer.Sent;

    internal long Dropped => Interlocked.Read(ref _dropped);

    internal long Failed => _writer.Failed;

    /// <summary>A call of the handler begins on the calling thread.</summary>
    internal void BeginCallback()
    {
        _collected.Begin();
        Volatile.Write(ref _callbackThread, Environment.CurrentManagedThreadId);
    }

    /// <summary>The call has ended: sends what it has sent. The caller keeps the descriptor open.</summary>
    internal void EndCallback()
    {
        Volatile.Write(ref _callbackThread, 0);
        SendCollected();
    }

    /// <summary>
    /// The call of the handler is overdue: sends what it has sent so far, and the rest at once. For any thread.
    /// </summary>
    internal void Uncork()
    {
        if (!_socket.TryAddReference())
        {
            return;
        }

        if (_collected.TryUncork(out var count))
        {
            SendCollected(count);
        }

        _socket.ReleaseReference();
    }

    /// <summary>Sends a datagram, or queues it, or drops it.</summary>
    internal DatagramSendResult Send(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        var result = TrySend(payload, to, from);
        if (result.Status == DatagramSendStatus.Dropped)
        {
            Interlocked.Increment(ref _dropped);
        }

        return result;
    }

    /// <summary>Sends a datagram, or queues it as soon as there is room.</summary>
    internal ValueTask<DatagramSendResult> SendAsync(
        ReadOnlyMemory<byte> payload, DatagramAddress to, DatagramAddress from, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var result = TrySend(payload.Span, to, from);
        return result.Status == DatagramSendStatus.Dropped
            ? SendLaterAsync(payload, to, from, cancellationToken)
            : new(result);
    }

    /// <summary>Nothing is sent any more. What is queued is dropped.</summary>
    internal void Stop()
    {
        Run(_backlog.Stop());
        _fullTimer.Cancel();
    }

    private async ValueTask<DatagramSendResult> SendLaterAsync(
        ReadOnlyMemory<byte> payload, DatagramAddress to, DatagramAddress from, CancellationToken cancellationToken)
    {
        while (true)
        {
            // A wait that has ended already does not look at the token.
            cancellationToken.ThrowIfCancellationRequested();
            await _queue.WaitForRoomAsync(payload.Length).WaitAsync(cancellationToken).ConfigureAwait(false);
            var result = TrySend(payload.Span, to, from);
            if (result.Status != DatagramSendStatus.Dropped)
            {
                return result;
            }
        }
    }

    private DatagramSendResult TrySend(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        if (_isConnected)
        {
            // BSD systems refuse an address there (EISCONN).
            to = default;
        }

        // The kernel would refuse it too, but only if the socket is not full.
        if (payload.Length > MaxPayload)
        {
            _writer.CountFailure();
            return DatagramSendResult.Failed(Errno.EMSGSIZE);
        }

        if (_callbackThread == Environment.CurrentManagedThreadId && TryCollect(payload, to, from))
        {
            return new(DatagramSendStatus.Queued);
        }

        if (_backlog.IsIdle)
        {
            if (!_socket.TryAddReference())
            {
                return new(DatagramSendStatus.Stopped);
            }

            var error = _writer.Send(payload, to, from);
            _socket.ReleaseReference();
            if (!DatagramWriter.IsPressure(error))
            {
                return error == 0 ? new(DatagramSendStatus.Sent) : DatagramSendResult.Failed(error);
            }
        }

        return Queue(payload, to, from);
    }

    /// <summary>
    /// Collects a datagram of the handler's call. False if it goes to the kernel at once, because the call is overdue.
    /// </summary>
    private bool TryCollect(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        var state = _collected.State;
        if (state.IsSending || state.IsUncorked)
        {
            return false;
        }

        if (state.Count == DatagramSendBatch.Capacity || !_outbox.TryWrite(state.Count, payload, to, from))
        {
            SendCollected();
            state = _collected.State;
            if (state.Count != 0 || !_outbox.TryWrite(0, payload, to, from))
            {
                return false;
            }
        }

        return _collected.TryAppend();
    }

    private void SendCollected()
    {
        if (_collected.TryTake(out var count))
        {
            SendCollected(count);
        }
    }

    private void SendCollected(int count)
    {
        try
        {
            var next = _backlog.IsIdle ? _writer.Send(_outbox, count, out _) : 0;
            for (; next < count; next++)
            {
                var status = Queue(_outbox.GetPayload(next), _outbox.GetAddress(next), _outbox.GetSource(next)).Status;
                if (status == DatagramSendStatus.Dropped)
                {
                    Interlocked.Increment(ref _dropped);
                }
            }
        }
        finally
        {
            _collected.EndSend();
        }
    }

    private DatagramSendResult Queue(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramAddress from)
    {
        var status = _queue.Add(payload, to, from);
        if (status == DatagramSendStatus.Queued)
        {
            Run(_backlog.Queue());
        }

        return new(status);
    }

    private void Run(BacklogAction action)
    {
        if (action == BacklogAction.Flush)
        {
            Flush();
        }
        else if (action == BacklogAction.Close)
        {
            Interlocked.Add(ref _dropped, _queue.Close());
        }
    }

    /// <summary>Sends what is queued. The caller has moved the word to flushing.</summary>
    private void Flush()
    {
        // A socket that is about to be closed has stopped sending before: the flush ends with closing the queue.
        var isOpen = _socket.TryAddReference();
        var action = isOpen ? BacklogAction.Flush : _backlog.EndFlush(isEmpty: false);
        for (var batches = 0; action == BacklogAction.Flush; batches++)
        {
            if (batches == MaxBatches)
            {
                _socket.Loop.Post(_rest);
                break;
            }

            action = FlushBatch();
        }

        if (isOpen)
        {
            _socket.ReleaseReference();
        }

        if (action == BacklogAction.Close)
        {
            Run(action);
        }
    }

    private BacklogAction FlushBatch()
    {
        var batch = _flushed ??= new DatagramSendBatch(_family, _hasBatches);
        var count = _backlog.IsStopped ? 0 : _queue.CopyTo(batch);
        if (count == 0)
        {
            return _backlog.EndFlush(isEmpty: true);
        }

        var done = _writer.Send(batch, count, out var error);
        _queue.Remove(done);
        if (done == count)
        {
            return BacklogAction.Flush;
        }

        Wait(error);
        return _backlog.EndFlush(isEmpty: false);
    }

    private void Wait(int error)
        => _fullTimer.Set(LoopClock.After(error == Errno.EAGAIN ? FullDelay : ShortageDelay));

    /// <summary>The delay of a full socket.</summary>
    private sealed class FullTimer(DatagramOutput output) : LoopTimer(output._socket.Loop)
    {
        protected override long OnDue(long now)
        {
            output.Run(output._backlog.SetWritable());
            return Never;
        }
    }

    /// <summary>The rest of a flush, which is still that thread's that runs it.</summary>
    private sealed class Rest(DatagramOutput output) : IThreadPoolWorkItem
    {
        public void Execute() => output.Flush();
    }
}
