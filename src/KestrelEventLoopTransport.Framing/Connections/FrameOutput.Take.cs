using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Connections;

// What is not written by a callback: it takes the writer if that is free, or goes into the queue.
internal sealed partial class FrameOutput
{
    private SendResult Take(in FramePayload frame, bool isEncoded, int maxQueuedBytes, bool wantTask, out Task sent)
    {
        if (isEncoded)
        {
            return Take(frame, codec: null, maxQueuedBytes, wantTask, out sent)!.Value;
        }

        SendResult? result;
        var buffer = EncodeBuffer.Rent();
        try
        {
            do
            {
                var codec = Codec;
                buffer.Clear();
                codec.EncodeTo(buffer, frame);
                result = Take(new FramePayload(buffer.Written, default), codec, maxQueuedBytes, wantTask, out sent);
            }
            while (result is null);
        }
        finally
        {
            buffer.Return();
        }

        return result.Value;
    }

    /// <summary>
    /// Takes the writer for what a codec has encoded, or for bytes of any kind, and flushes it; or puts it into the
    /// queue.
    /// </summary>
    /// <returns>Null if the codec has been switched. Nothing is taken then.</returns>
    private SendResult? Take(
        in FramePayload bytes, FrameCodec? codec, int maxQueuedBytes, bool wantTask, out Task sent)
    {
        lock (_lock)
        {
            sent = Task.CompletedTask;
            if (_end is { } end)
            {
                sent = wantTask ? Failed(end) : sent;
                return SendResult.Closed;
            }

            if (codec is not null && codec != _codec)
            {
                return null;
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
