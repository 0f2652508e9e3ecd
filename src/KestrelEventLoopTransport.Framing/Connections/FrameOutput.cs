using System.Buffers;
using System.IO.Pipelines;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Lets many threads write frames to one <see cref="PipeWriter"/>, which takes one at a time.</summary>
/// <remarks>
/// <para>Under <c>_lock</c>, the writer is in one of three hands:</para>
/// <list type="bullet">
/// <item>nobody's: nothing is queued then;</item>
/// <item>
/// a callback's, from <see cref="BeginDirect"/> to <see cref="EndDirect"/>, while it runs on the thread
/// <c>_directThread</c>: its frames go straight to the writer, without the lock, as long as nobody else's are queued;
/// </item>
/// <item>a flush's, which may wait for the peer. It passes the writer on only when the queue is empty.</item>
/// </list>
/// <para>
/// Whoever comes while it is in use puts the frame into the queue, and the one that uses it sends it afterwards: so
/// frames leave in the order in which they came. <c>_end</c> says why no more are taken; what is queued by then is
/// still sent, unless flushing failed (<c>_failure</c>), which ends everything. <c>_queueSent</c> completes when what
/// is queued has been flushed.
/// </para>
/// <para>
/// Encoders may be the application's. They run without the lock, and before anything is written or queued.
/// </para>
/// </remarks>
internal sealed partial class FrameOutput
{
    /// <summary>A flush happens once so much was written: back-pressure, and a look at the peer's progress.</summary>
    private const int MaxUnflushedBytes = 64 * 1024;

    // A queue that has grown beyond this is not kept.
    private const int MaxKeptCapacity = 64 * 1024;

    // Whoever's flush finds the queue refilled so often does not go on with it on its own thread.
    private const int MaxRounds = 16;

    private readonly Lock _lock = new();
    private readonly PipeWriter _writer;
    private readonly TimeProvider _time;
    private readonly int _maxQueuedBytes;
    private readonly bool _countsUnflushed;

    // Also read without the lock, by a callback: it must not overtake what was sent before, nor write after the end.
    private volatile bool _detour;
    private volatile Exception? _end;
    private bool _inUse;
    private Exception? _failure;
    private ArrayBufferWriter<byte>? _queue;
    private ArrayBufferWriter<byte>? _spare;
    private TaskCompletionSource? _queueSent;
    private TaskCompletionSource? _drained;

    // Compared with the current thread's id by any thread; only that thread itself ever makes them equal.
    private int _directThread;
    private bool _written;

    internal FrameOutput(PipeWriter writer, FrameHandlerOptions options, TimeProvider time)
    {
        _writer = writer;
        _time = time;
        _maxQueuedBytes = options.MaxQueuedBytes;
        _countsUnflushed = writer.CanGetUnflushedBytes;
    }

    /// <summary>Why no more frames are taken, or null.</summary>
    internal Exception? End => _end;

    /// <summary>Whether so much was written that the peer should take it before the next frame is handled.</summary>
    internal bool NeedsFlush
    {
        get
        {
            var most = Math.Min(MaxUnflushedBytes, _maxQueuedBytes);
            return (IsDirect && _written && (!_countsUnflushed || _writer.UnflushedBytes >= most)) || _queue?.WrittenCount >= most;
        }
    }

    private bool IsDirect => _directThread == Environment.CurrentManagedThreadId;

    private bool MayWriteDirect => IsDirect && !_detour;

    /// <summary>From here on this thread's frames go straight to the writer, if nobody else uses it.</summary>
    internal void BeginDirect()
    {
        lock (_lock)
        {
            if (!_inUse && _end is null)
            {
                _inUse = true;
                _directThread = Environment.CurrentManagedThreadId;
            }
        }
    }

    /// <summary>Sends what was written since <see cref="BeginDirect"/>, on the same thread.</summary>
    /// <returns>
    /// Completes when all of it has been flushed, and the peer is ready for more. It fails with the flush.
    /// </returns>
    internal Task EndDirect()
    {
        if (IsDirect)
        {
            _directThread = 0;
            return Flush();
        }

        lock (_lock)
        {
            return _inUse ? (_queueSent ??= NewCompletion()).Task : Task.CompletedTask;
        }
    }

    /// <summary>Writes a frame. Without a codec it is encoded already.</summary>
    internal void Write(in FramePayload frame, FrameCodec? codec)
    {
        if (!MayWriteDirect)
        {
            Take(frame, codec, int.MaxValue, wantTask: false, out _);
        }
        else
        {
            WriteDirect(frame, codec);
            FlushIfMuch();
        }
    }

    internal SendResult TrySend(in FramePayload frame, FrameCodec? codec)
    {
        FlushQueueOfOthers();
        var result = SendResult.Accepted;
        if (MayWriteDirect)
        {
            WriteDirect(frame, codec);
        }
        else
        {
            result = Take(frame, codec, _maxQueuedBytes, wantTask: false, out _);
        }

        FlushIfMuch();
        return result;
    }

    internal Task SendAsync(in FramePayload frame, FrameCodec? codec)
    {
        FlushQueueOfOthers();
        if (MayWriteDirect)
        {
            WriteDirect(frame, codec);
            return FlushDirect();
        }

        Take(frame, codec, _maxQueuedBytes, wantTask: true, out var sent);
        if (IsDirect)
        {
            _ = FlushDirect();
        }

        return sent;
    }

    /// <summary>Takes no more frames. What was taken is still sent.</summary>
    internal void Stop()
    {
        lock (_lock)
        {
            _end ??= new FrameNotSentException("The connection is closed.");
            _detour = true;
        }
    }

    /// <summary>Takes no more frames.</summary>
    /// <returns>Completes when nobody uses the writer any more; with why not all was sent, or null.</returns>
    internal async ValueTask<Exception?> CloseAsync()
    {
        Stop();
        Task? drained = null;
        lock (_lock)
        {
            if (_inUse)
            {
                drained = (_drained = NewCompletion()).Task;
            }
        }

        if (drained is not null)
        {
            await drained.ConfigureAwait(false);
        }

        return _failure;
    }

    // Continuations are the application's: they must not run under the lock, or in the middle of sending.
    private static TaskCompletionSource NewCompletion() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static void Complete(TaskCompletionSource? sent, Exception? failure)
    {
        if (failure is null)
        {
            sent?.TrySetResult();
        }
        else if (sent is not null)
        {
            sent.TrySetException(failure);

            // Seen: who is not interested in the task has not forgotten anything.
            _ = sent.Task.Exception;
        }
    }

    private static Task Failed(Exception exception)
    {
        var task = Task.FromException(exception);
        _ = task.Exception;
        return task;
    }

    private void WriteDirect(in FramePayload frame, FrameCodec? codec)
    {
        if (codec is null)
        {
            frame.WriteTo(_writer);
        }
        else
        {
            codec.EncodeCore(frame, _writer);
        }

        _written = true;
    }

    /// <summary>The limits are on what waits for the peer: that begins with a flush.</summary>
    private void FlushIfMuch()
    {
        if (IsDirect && NeedsFlush)
        {
            _ = FlushDirect();
        }
    }

    /// <summary>
    /// What is queued while no flush waits says nothing about the peer, and must not count against it.
    /// </summary>
    private void FlushQueueOfOthers()
    {
        if (IsDirect && _detour)
        {
            _ = FlushDirect();
        }
    }

    private SendResult Take(in FramePayload frame, FrameCodec? codec, int maxQueuedBytes, bool wantTask, out Task sent)
    {
        if (codec is null)
        {
            return Take(frame, maxQueuedBytes, wantTask, out sent);
        }

        var buffer = EncodeBuffer.Rent();
        try
        {
            codec.EncodeTo(buffer, frame);
            return Take(new FramePayload(buffer.Written, default), maxQueuedBytes, wantTask, out sent);
        }
        finally
        {
            buffer.Return();
        }
    }

    /// <summary>Takes the writer for a frame and flushes it, or puts it into the queue.</summary>
    private SendResult Take(in FramePayload bytes, int maxQueuedBytes, bool wantTask, out Task sent)
    {
        lock (_lock)
        {
            sent = Task.CompletedTask;
            if (_end is { } end)
            {
                sent = wantTask ? Failed(end) : sent;
                return SendResult.Closed;
            }

            if (_inUse)
            {
                _queue ??= new ArrayBufferWriter<byte>();
                if (_queue.WrittenCount >= maxQueuedBytes)
                {
                    sent = wantTask ? Failed(QueueIsFull(_queue.WrittenCount)) : sent;
                    return SendResult.QueueFull;
                }

                bytes.WriteTo(_queue);
                _detour = true;
                sent = wantTask ? (_queueSent ??= NewCompletion()).Task : sent;
                return SendResult.Accepted;
            }

            _inUse = true;
        }

        sent = WriteAndFlush(bytes);
        return SendResult.Accepted;
    }

    private SlowPeerException QueueIsFull(int queued)
        => new($"{queued} bytes are waiting to be sent; MaxQueuedBytes is {_maxQueuedBytes}. The peer reads too slowly.");
}
