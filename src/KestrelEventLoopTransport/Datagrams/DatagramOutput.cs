using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The sending side of a socket. What the handler sends during its call is collected and goes to the kernel together
/// (<see cref="OutboxState"/>). Other threads pass their datagrams to the kernel themselves. If the socket is full,
/// datagrams are queued (<see cref="DatagramBacklog"/>).
/// </summary>
internal sealed class DatagramOutput
{
    // Bytes of the longest datagram that the queue and the collected batch take: more than UDP can carry.
    private const int MaxPayload = 65_535;

    private static readonly DatagramAddress _noAddress;

    private readonly DatagramSocket _socket;
    private readonly DatagramWriter _writer;
    private readonly DatagramBacklog _backlog;
    private readonly DatagramSendBatch _outbox;
    private readonly bool _isConnected;
    private OutboxWord _collected;
    private int _callbackThread;

    /// <param name="socket">The socket.</param>
    /// <param name="bound">What it is made of.</param>
    /// <param name="hasBatches">Whether to use <c>sendmmsg(2)</c>.</param>
    /// <param name="options">The options of the endpoint.</param>
    internal DatagramOutput(
        DatagramSocket socket, BoundDatagramSocket bound, bool hasBatches, DatagramEndpointOptions options)
    {
        _socket = socket;
        _isConnected = bound.IsConnected;
        var cuts = hasBatches && options.SegmentationOffload && bound.HasSegmentation;
        _writer = new DatagramWriter(socket, bound.Family, bound.IsConnected, cuts);
        _outbox = new DatagramSendBatch(bound.Family, hasBatches);
        _backlog = new DatagramBacklog(socket, _writer, bound.Family, hasBatches, options.MaxSendQueueSize);
    }

    internal long Sent => _writer.Sent;

    internal long Dropped => _backlog.Dropped;

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
    internal DatagramSendResult Send(
        ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
        => TrySend(payload, in to, in from, isLast: true);

    /// <summary>Sends a datagram, or queues it as soon as there is room.</summary>
    internal ValueTask<DatagramSendResult> SendAsync(
        ReadOnlyMemory<byte> payload, DatagramAddress to, DatagramAddress from, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var result = TrySend(payload.Span, to, from, isLast: false);
        return result.Status == DatagramSendStatus.Dropped
            ? SendLaterAsync(payload, to, from, cancellationToken)
            : new(result);
    }

    /// <summary>Nothing is sent any more. What is queued is dropped.</summary>
    internal void Stop() => _backlog.Stop();

    private async ValueTask<DatagramSendResult> SendLaterAsync(
        ReadOnlyMemory<byte> payload, DatagramAddress to, DatagramAddress from, CancellationToken cancellationToken)
    {
        while (true)
        {
            // A wait that has ended already does not look at the token.
            cancellationToken.ThrowIfCancellationRequested();
            await _backlog.WaitForRoomAsync(payload.Length).WaitAsync(cancellationToken).ConfigureAwait(false);
            var result = TrySend(payload.Span, to, from, isLast: false);
            if (result.Status != DatagramSendStatus.Dropped)
            {
                return result;
            }
        }
    }

    /// <param name="payload">The bytes.</param>
    /// <param name="address">Where to.</param>
    /// <param name="from">Where from.</param>
    /// <param name="isLast">Whether a datagram for which there is no room is dropped, and not tried again.</param>
    private DatagramSendResult TrySend(
        ReadOnlySpan<byte> payload, in DatagramAddress address, in DatagramAddress from, bool isLast)
    {
        // BSD systems refuse one on a connected socket (EISCONN).
        ref readonly var to = ref _isConnected ? ref _noAddress : ref address;
        if (to.IsEmpty && !_isConnected)
        {
            // A Unix peer without a name, for example.
            _writer.CountFailure();
            return DatagramSendResult.Failed(Errno.EDESTADDRREQ);
        }

        // The kernel would refuse it too, but only if the socket is not full.
        if (payload.Length > MaxPayload)
        {
            _writer.CountFailure();
            return DatagramSendResult.Failed(Errno.EMSGSIZE);
        }

        if (_callbackThread == Environment.CurrentManagedThreadId && TryCollect(payload, in to, in from))
        {
            return new(DatagramSendStatus.Queued);
        }

        if (!_socket.TryAddReference())
        {
            return new(DatagramSendStatus.Stopped);
        }

        try
        {
            return SendNow(payload, in to, in from, isLast);
        }
        finally
        {
            _socket.ReleaseReference();
        }
    }

    /// <summary>
    /// Passes a datagram to the kernel, or queues it. The caller holds a reference to the descriptor, so that what is
    /// dropped is counted before the socket is closed.
    /// </summary>
    private DatagramSendResult SendNow(
        ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from, bool isLast)
    {
        if (_backlog.IsIdle)
        {
            var error = _writer.Send(payload, in to, in from);
            if (!_writer.IsPressure(error))
            {
                return error == 0 ? new(DatagramSendStatus.Sent) : DatagramSendResult.Failed(error);
            }
        }

        var status = _backlog.Queue(payload, in to, in from);
        if (status == DatagramSendStatus.Dropped && isLast)
        {
            _backlog.CountDrop();
        }

        return new(status);
    }

    /// <summary>
    /// Collects a datagram of the handler's call. False if it goes to the kernel at once, because the call is overdue.
    /// </summary>
    private bool TryCollect(ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
    {
        var state = _collected.State;
        if (state.IsSending || state.IsUncorked)
        {
            return false;
        }

        if (state.Count == DatagramSendBatch.Capacity || !_outbox.TryWrite(state.Count, payload, in to, in from))
        {
            SendCollected();
            state = _collected.State;
            if (state.Count != 0 || !_outbox.TryWrite(0, payload, in to, in from))
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
                var status = _backlog.Queue(
                    _outbox.GetPayload(next), in _outbox.GetAddress(next), in _outbox.GetSource(next));
                if (status != DatagramSendStatus.Queued)
                {
                    // Also if the endpoint has stopped meanwhile: the handler was told that it is queued.
                    _backlog.CountDrop();
                }
            }
        }
        finally
        {
            _collected.EndSend();
        }
    }
}
