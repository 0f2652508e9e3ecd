using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Connections;

// What is not written by a callback: it takes the writer if that is free, or goes into the queue.
internal sealed partial class FrameOutput
{
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
        => new(
            $"The peer reads too slowly: {queued} bytes are waiting to be sent. MaxQueuedBytes is {_maxQueuedBytes}.");

    private static Task Failed(Exception exception)
    {
        var task = Task.FromException(exception);
        _ = task.Exception;
        return task;
    }
}
