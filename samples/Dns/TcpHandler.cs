using System.Buffers;
using KestrelEventLoopTransport.Framing;

namespace Dns;

/// <summary>Answers queries that come over connections: those whose answer is too long for a datagram.</summary>
internal sealed class TcpHandler(Responder responder) : FrameHandler
{
    private const int MaxAnswer = 16 * 1024;

    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        Span<byte> answer = stackalloc byte[MaxAnswer];
        var query = frame.IsSingleSegment ? frame.FirstSpan : frame.ToArray();
        var length = responder.Answer(query, answer, isDatagram: false);
        if (length != 0)
        {
            connection.Write(answer[..length]);
        }

        return default;
    }
}
