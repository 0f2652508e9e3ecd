using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

// Flushing, and what follows it: the queue is sent, and then the writer is free again.
internal sealed partial class FrameOutput
{
    private Task FlushDirect()
    {
        _directThread = 0;
        var flushed = Flush();
        BeginDirect();
        return flushed;
    }

    private Task WriteAndFlush(in FrameContent frame)
    {
        try
        {
            WriteDirect(frame);
        }
        catch
        {
            _ = Flush();
            throw;
        }
        return Flush();
    }

    /// <summary>Flushes, and then passes the writer on or goes on with what was queued meanwhile.</summary>
    private Task Flush()
    {
        var flush = FlushWriter();
        if (!flush.IsCompletedSuccessfully)
        {
            return FlushSlowly(flush);
        }
        var result = flush.Result;
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
            return _writer.FlushAsync();
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
            failure = await FinishAsync(FlushQueue(queue)).ConfigureAwait(false);
            Complete(sent, failure);
        }
        End(failure);
    }

    private static async ValueTask<Exception?> FinishAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            var result = await flush.ConfigureAwait(false);
            return result.IsCompleted
                ? new ConnectionAbortedException("The connection has ended before the frame was sent.")
                : null;
        }
        catch (Exception exception)
        {
            return new ConnectionAbortedException("The connection has failed before the frame was sent.", exception);
        }
    }

    private ValueTask<FlushResult> FlushQueue(ArrayBufferWriter<byte> queue)
    {
        try
        {
            _writer.Write(queue.WrittenSpan);
            _written = true;
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<FlushResult>(exception);
        }
        queue.ResetWrittenCount();
        if (queue.Capacity <= MaxKeptCapacity)
        {
            _spare = queue;
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
            _hasQueued = false;
            _queue = _spare;
            _spare = null;
            _queueSent = null;
            return false;
        }
    }

    private void Release()
    {
        _inUse = false;
        Complete(_queueSent, _failure);
        _queueSent = null;
        _drained?.TrySetResult();
    }

    private void End(Exception failure)
    {
        lock (_lock)
        {
            _end = _failure = failure;
            _hasQueued = false;
            _queue = null;
            Release();
        }
    }
}
