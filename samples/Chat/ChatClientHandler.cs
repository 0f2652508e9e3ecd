using System.Buffers;
using System.Text;
using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>Prints messages, and sends heart-beats back.</summary>
internal sealed class ChatClientHandler : FrameHandler
{
    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        if (frame.IsEmpty)
        {
            connection.Write(frame);
        }
        else
        {
            Console.WriteLine(Encoding.UTF8.GetString(frame));
        }

        return default;
    }
}
