using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Connections;

// Flushing. After a flush the queue is sent, and then the writer is free.
internal sealed partial class FrameOutput
{
    private long _waitsSince;
    private long _lastSend;

    /// <summary>Number of bytes flushed so far.</summary>
    internal long SentBytes { get; private set; }

    /// <summary>When the flush that waits for the peer began to wait; 0 if none waits.</summary>
    internal long WaitsSince => Volatile.Read(ref _waitsSince);

    /// <summary>The timestamp at which the transport last took bytes, at first that of the beginning.</summary>
    internal long LastSend => Volatile.Read(ref _lastSend);

    private Task FlushDirect()
    {
        _directThread = 0;
        var flushed = Flush();
        BeginDirect();
        return flushed;
    }

    private Task WriteAndFlush(in FramePayload bytes)
    {
        try
        {
            bytes.WriteTo(_writer);
            _written = true;
        }
        catch (Exception exception)
        {
            return FlushSlowly(ValueTask.FromException<FlushResult>(exception));
        }

        return Flush();
    }

    /// <summary>Flushes. Then frees the writer, or sends what was queued meanwhile.</summary>
    private Task Flush()
    {
        var flush = FlushWriter();
        if (!flush.IsCompletedSuccessfully)
        {
            return FlushSlowly(flush);
        }

        FlushResult result;
        try
        {
            result = flush.Result;
        }
        catch (Exception exception)
        {
            // A write may have passed its deadline since the flush completed.
            return FlushSlowly(ValueTask.FromException<FlushResult>(exception));
        }

        return !result.IsCompleted && TryRelease() ? Task.CompletedTask : FlushSlowly(new(result));
    }

    private Task FlushSlowly(ValueTask<FlushResult> flush)
    {
        var sent = NewCompletion();
        _ = SendQueueAsync(flush, sent);
        return sent.Task;
    }

    private ValueTask<FlushResult> FlushWriter()
    {
        if (!_written)
        {
            return default;
        }

        _written = false;
        try
        {
            SentBytes += _countsUnflushed ? _writer.UnflushedBytes : MaxUnflushedBytes;
            var flush = _writer.FlushAsync();
            Volatile.Write(ref _lastSend, _time.GetTimestamp());
            return flush;
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<FlushResult>(exception);
        }
    }

    private async Task SendQueueAsync(ValueTask<FlushResult> flush, TaskCompletionSource? sent)
    {
        var failure = await FinishAsync(flush).ConfigureAwait(false);
        Complete(sent, failure);
        for (var rounds = 1; failure is null; rounds++)
        {
            if (rounds % MaxRounds == 0)
            {
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            if (TryRelease(out var queue, out sent))
            {
                return;
            }

            failure = await SendAsync(queue).ConfigureAwait(false);
            Complete(sent, failure);
        }

        Fail(failure);
    }

    // In pieces, so that the writer does not keep a second copy of everything, and the peer's progress is seen.
    private async ValueTask<Exception?> SendAsync(ArrayBufferWriter<byte> queue)
    {
        for (var start = 0; start < queue.WrittenCount; start += MaxUnflushedBytes)
        {
            var failure = await FinishAsync(FlushPiece(queue, start)).ConfigureAwait(false);
            if (failure is not null)
            {
                return failure;
            }
        }

        queue.ResetWrittenCount();
        if (queue.Capacity <= MaxKeptCapacity)
        {
            _spare = queue;
        }

        return null;
    }

    private async ValueTask<Exception?> FinishAsync(ValueTask<FlushResult> flush)
    {
        var waits = !flush.IsCompleted;
        if (waits)
        {
            // Never 0, which means that no flush waits.
            Volatile.Write(ref _waitsSince, Math.Max(1, _time.GetTimestamp()));
        }

        try
        {
            if (waits)
            {
                _timer.StartWaiting();
            }

            var result = await flush.ConfigureAwait(false);
            return result.IsCompleted
                ? new FrameNotSentException("The connection ended before the frame was sent.")
                : null;
        }
        catch (Exception exception)
        {
            return new FrameNotSentException("The connection failed before the frame was sent.", exception);
        }
        finally
        {
            if (waits)
            {
                Volatile.Write(ref _lastSend, _time.GetTimestamp());
                Volatile.Write(ref _waitsSince, 0);
            }
        }
    }

    private ValueTask<FlushResult> FlushPiece(ArrayBufferWriter<byte> queue, int start)
    {
        try
        {
            _writer.Write(queue.WrittenSpan.Slice(start, Math.Min(MaxUnflushedBytes, queue.WrittenCount - start)));
            _written = true;
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<FlushResult>(exception);
        }

        return FlushWriter();
    }

    private bool TryRelease()
    {
        lock (_lock)
        {
            if (_queue is { WrittenCount: > 0 })
            {
                return false;
            }

            Release();
            return true;
        }
    }

    private bool TryRelease(out ArrayBufferWriter<byte> queue, out TaskCompletionSource? sent)
    {
        lock (_lock)
        {
            queue = _queue!;
            sent = _queueSent;
            if (_queue is not { WrittenCount: > 0 })
            {
                Release();
                return true;
            }

            _detour = _end is not null;
            _queue = _spare;
            _spare = null;
            _queueSent = null;
            return false;
        }
    }

    private void Release()
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "Only under the lock does the writer become free.");
        Debug.Assert(_inUse, "Only the user of the writer releases it.");
        Debug.Assert(_queue is not { WrittenCount: > 0 }, "What is queued leaves before the writer is free.");
        _inUse = false;
        Complete(_queueSent, _failure);
        _queueSent = null;
        _drained?.TrySetResult();
    }

    private void Fail(Exception failure)
    {
        lock (_lock)
        {
            _failure = failure;
            _end = failure;
            _detour = true;
            _queue = null;
            Release();
        }
    }
}
