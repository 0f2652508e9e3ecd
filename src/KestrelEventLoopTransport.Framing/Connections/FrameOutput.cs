using System.Buffers;
using System.IO.Pipelines;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Lets many threads write frames to one <see cref="PipeWriter"/>, which takes one at a time.</summary>
/// <remarks>
/// <para>
/// <c>_inUse</c> says whether the writer is in use. All changes are made under <c>_lock</c>. The states are:
/// </para>
/// <list type="bullet">
/// <item>free: the queue is empty;</item>
/// <item>
/// used by a callback, from <see cref="BeginDirect"/> to <see cref="EndDirect"/>, on the thread <c>_directThread</c>.
/// Its frames go straight to the writer, without the lock, while the queue is empty;
/// </item>
/// <item>used by a flush, which may wait for the peer. It frees the writer only when the queue is empty.</item>
/// </list>
/// <para>
/// A frame that comes while the writer is in use goes into the queue, and the user of the writer sends it afterwards.
/// So frames leave in the order in which they came. <c>_end</c> is the reason why no more frames are taken. Frames that
/// are queued by then are still sent, unless flushing failed (<c>_failure</c>). <c>_queueSent</c> completes when the
/// queue has been flushed.
/// </para>
/// <para>
/// Encoders may be code of the application. They run without the lock, and before anything is written or queued. A
/// frame whose codec was switched meanwhile is encoded once more, so no frame follows the switch in the old codec.
/// </para>
/// </remarks>
internal sealed partial class FrameOutput
{
    /// <summary>A flush happens when so much was written, for back-pressure and to see the peer's progress.</summary>
    private const int MaxUnflushedBytes = 64 * 1024;

    // A queue that has grown beyond this is not kept.
    private const int MaxKeptCapacity = 64 * 1024;

    // After so many rounds of sending the queue, a flush goes on in the thread pool, to give its thread back.
    private const int MaxRounds = 16;

    private readonly Lock _lock = new();
    private readonly PipeWriter _writer;
    private readonly TimeProvider _time;
    private readonly ConnectionTimer _timer;
    private readonly int _maxQueuedBytes;
    private readonly bool _countsUnflushed;

    // A callback reads these two without the lock. It must not overtake queued frames, nor write after the end.
    private volatile bool _detour;
    private volatile Exception? _end;
    private FrameCodec _codec;
    private bool _inUse;
    private Exception? _failure;
    private ArrayBufferWriter<byte>? _queue;
    private ArrayBufferWriter<byte>? _spare;
    private TaskCompletionSource? _queueSent;
    private TaskCompletionSource? _drained;

    // Any thread compares it with its own id. Only the thread itself sets it to that id.
    private int _directThread;
    private bool _written;

    internal FrameOutput(PipeWriter writer, FrameCodec codec, FrameHandlerOptions options, ConnectionTimer timer)
    {
        _writer = writer;
        _codec = codec;
        _time = timer.Clock;
        _timer = timer;
        _maxQueuedBytes = options.MaxQueuedBytes;
        _countsUnflushed = writer.CanGetUnflushedBytes;
        _lastSend = _time.GetTimestamp();
    }

    /// <summary>The codec of the frames that are taken from now on.</summary>
    internal FrameCodec Codec
    {
        get => Volatile.Read(ref _codec);
        set
        {
            lock (_lock)
            {
                _codec = value;
            }
        }
    }

    /// <summary>The reason why no more frames are taken, or null.</summary>
    internal Exception? End => _end;

    /// <summary>Whether the peer has to take what was written before the next frame is handled.</summary>
    internal bool NeedsFlush
    {
        get
        {
            var max = Math.Min(MaxUnflushedBytes, _maxQueuedBytes);
            return (IsDirect && _written && (!_countsUnflushed || _writer.UnflushedBytes >= max))
                || _queue?.WrittenCount >= max;
        }
    }

    private bool IsDirect => _directThread == Environment.CurrentManagedThreadId;

    private bool MayWriteDirect => IsDirect && !_detour;

    /// <summary>Lets this thread's frames go straight to the writer, if it is free.</summary>
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
    /// A task that completes when all of it has been flushed and the peer is ready for more. It fails if the flush
    /// fails.
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

    internal void Write(in FramePayload frame, bool isEncoded = false)
    {
        var codec = CodecFor(isEncoded);
        if (!MayWriteDirect)
        {
            Take(frame, isEncoded, int.MaxValue, wantTask: false, out _);
        }
        else
        {
            WriteDirect(frame, codec);
            FlushIfMuch();
        }
    }

    internal SendResult TrySend(in FramePayload frame, bool isEncoded = false)
    {
        FlushQueueOfOthers();
        var result = SendResult.Accepted;
        var codec = CodecFor(isEncoded);
        if (MayWriteDirect)
        {
            WriteDirect(frame, codec);
        }
        else
        {
            result = Take(frame, isEncoded, _maxQueuedBytes, wantTask: false, out _);
        }

        FlushIfMuch();
        return result;
    }

    /// <summary>Sends a frame that was encoded with a codec. Null: it has been switched, and nothing is sent.</summary>
    internal SendResult? TrySend(in FramePayload bytes, FrameCodec codec)
    {
        FlushQueueOfOthers();
        SendResult? result = SendResult.Accepted;
        if (!MayWriteDirect)
        {
            result = Take(bytes, codec, _maxQueuedBytes, wantTask: false, out _);
        }
        else if (codec == Codec)
        {
            WriteDirect(bytes, codec: null);
        }
        else
        {
            result = null;
        }

        FlushIfMuch();
        return result;
    }

    internal Task SendAsync(in FramePayload frame, bool isEncoded = false)
    {
        FlushQueueOfOthers();
        var codec = CodecFor(isEncoded);
        if (MayWriteDirect)
        {
            WriteDirect(frame, codec);
            return FlushDirect();
        }

        Take(frame, isEncoded, _maxQueuedBytes, wantTask: true, out var sent);
        if (IsDirect)
        {
            _ = FlushDirect();
        }

        return sent;
    }

    /// <summary>Takes no more frames. Frames that were taken are still sent.</summary>
    /// <param name="reason">Why, unless there was a reason before: what a later send fails with.</param>
    internal void Stop(string reason = "The connection is closed.")
    {
        lock (_lock)
        {
            _end ??= new FrameNotSentException(reason);
            _detour = true;
        }
    }

    /// <summary>Takes no more frames.</summary>
    /// <returns>Completes when the writer is free. The result says why not all was sent, or is null.</returns>
    internal async ValueTask<Exception?> CloseAsync()
    {
        Stop();
        Task? drained = null;
        lock (_lock)
        {
            if (_inUse)
            {
                drained = (_drained ??= NewCompletion()).Task;
            }
        }

        if (drained is not null)
        {
            await drained.ConfigureAwait(false);
        }

        return _failure;
    }

    // Continuations are code of the application. They must not run under the lock or in the middle of sending.
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

            // Marks the exception as observed: an application may ignore the task.
            _ = sent.Task.Exception;
        }
    }

    // Before MayWriteDirect: who sees a new codec also sees the detour around the frames that wait in the old one.
    private FrameCodec? CodecFor(bool isEncoded) => isEncoded ? null : Codec;

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

    /// <summary>Flushes what is above the limit. Only bytes that were flushed wait for the peer.</summary>
    private void FlushIfMuch()
    {
        if (IsDirect && NeedsFlush)
        {
            _ = FlushDirect();
        }
    }

    /// <summary>
    /// Flushes frames of other threads that were queued while no flush waits. The peer has not delayed them, so they
    /// must not count against <see cref="FrameHandlerOptions.MaxQueuedBytes"/>.
    /// </summary>
    private void FlushQueueOfOthers()
    {
        if (IsDirect && _detour)
        {
            _ = FlushDirect();
        }
    }
}
