using System.Buffers;
using KestrelEventLoopTransport.Framing;

namespace Echo;

internal sealed class EchoHandler : FrameHandler
{
    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        connection.Write(frame);
        return default;
    }
}
