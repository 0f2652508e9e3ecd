using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

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
/// frames leave in the order in which they came. <c>_end</c> says why no more are taken; what is queued by then is still
/// sent, unless flushing failed, which ends everything. <c>_queueSent</c> completes when what is queued has been flushed.
/// </para>
/// </remarks>
internal sealed partial class FrameOutput
{
    /// <summary>A flush happens in the middle of a batch once so much was written: back-pressure for pipelined requests.</summary>
    private const int MaxUnflushedBytes = 64 * 1024;

    // A queue that has grown beyond this is not kept.
    private const int MaxKeptCapacity = 64 * 1024;

    // Whoever's flush finds the queue refilled so often does not go on with it on its own thread.
    private const int MaxRounds = 16;

    private readonly Lock _lock = new();
    private readonly PipeWriter _writer;
    private readonly FrameCodec _codec;
    private readonly int _maxQueuedBytes;
    private readonly bool _countsUnflushed;

    // Also read without the lock, by a callback that must not overtake what was sent before.
    private volatile bool _hasQueued;
    private bool _inUse;
    private Exception? _end;
    private Exception? _failure;
    private ArrayBufferWriter<byte>? _queue;
    private ArrayBufferWriter<byte>? _spare;
    private TaskCompletionSource? _queueSent;
    private TaskCompletionSource? _drained;

    // Compared with the current thread's id by any thread; only that thread itself ever makes them equal.
    private int _directThread;
    private bool _written;

    internal FrameOutput(PipeWriter writer, FrameCodec codec, int maxQueuedBytes)
    {
        _writer = writer;
        _codec = codec;
        _maxQueuedBytes = maxQueuedBytes;
        _countsUnflushed = writer.CanGetUnflushedBytes;
    }

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

    private bool MayWriteDirect => IsDirect && !_hasQueued;

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
    /// <returns>Completes when all of it has been flushed, and the peer is ready for more. It fails with the flush.</returns>
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

    internal void Write(in FrameContent frame)
    {
        if (MayWriteDirect)
        {
            WriteDirect(frame);
        }
        else if (Take(frame, int.MaxValue, wantTask: false, out _) is Taking.WriterTaken)
        {
            _ = WriteAndFlush(frame);
        }
    }

    internal bool TrySend(in FrameContent frame)
    {
        FlushQueueOfOthers();
        if (MayWriteDirect)
        {
            WriteDirect(frame);
        }
        else
        {
            var taking = Take(frame, _maxQueuedBytes, wantTask: false, out _);
            if (taking is not Taking.Queued)
            {
                _ = taking is Taking.WriterTaken ? WriteAndFlush(frame) : null;
                return taking is Taking.WriterTaken;
            }
        }
        if (IsDirect && NeedsFlush)
        {
            // The limit is on what waits for the peer: that begins with a flush.
            _ = FlushDirect();
        }
        return true;
    }

    internal Task SendAsync(in FrameContent frame)
    {
        FlushQueueOfOthers();
        if (MayWriteDirect)
        {
            WriteDirect(frame);
            return FlushDirect();
        }
        var taking = Take(frame, _maxQueuedBytes, wantTask: true, out var sent);
        if (IsDirect)
        {
            _ = FlushDirect();
        }
        return taking is Taking.WriterTaken ? WriteAndFlush(frame) : sent;
    }

    /// <summary>Takes no more frames.</summary>
    /// <returns>Completes when nobody uses the writer any more; with why not all was sent, or null.</returns>
    internal async Task<Exception?> CloseAsync()
    {
        Task? drained = null;
        lock (_lock)
        {
            if (_end is not null)
            {
                return _end;
            }
            _end = new ConnectionAbortedException("The connection is closed.");
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

    private void WriteDirect(in FrameContent frame)
    {
        _codec.EncodeCore(frame, _writer);
        _written = true;
    }

    /// <summary>What is queued while no flush waits says nothing about the peer, and must not count against it.</summary>
    private void FlushQueueOfOthers()
    {
        if (IsDirect && _hasQueued)
        {
            _ = FlushDirect();
        }
    }

    /// <summary>Takes the writer for a frame, or puts the frame into the queue.</summary>
    private Taking Take(in FrameContent frame, int maxQueuedBytes, bool wantTask, out Task sent)
    {
        lock (_lock)
        {
            sent = Task.CompletedTask;
            if (_end is not null)
            {
                sent = wantTask ? Failed(_end) : sent;
                return Taking.Refused;
            }
            if (!_inUse)
            {
                _inUse = true;
                return Taking.WriterTaken;
            }
            _queue ??= new ArrayBufferWriter<byte>();
            if (_queue.WrittenCount >= maxQueuedBytes)
            {
                sent = wantTask ? Failed(QueueIsFull(_queue.WrittenCount)) : sent;
                return Taking.Refused;
            }
            _codec.EncodeCore(frame, _queue);
            _hasQueued = true;
            sent = wantTask ? (_queueSent ??= NewCompletion()).Task : sent;
            return Taking.Queued;
        }
    }

    private SlowPeerException QueueIsFull(int queued)
        => new($"{queued} bytes are waiting to be sent; MaxQueuedBytes is {_maxQueuedBytes}. The peer reads too slowly.");

    private enum Taking
    {
        Queued,
        WriterTaken,
        Refused,
    }
}
