using System.Buffers;
using KestrelEventLoopTransport.Framing;

namespace RedisLite;

/// <summary>
/// The commands of RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/): arrays of bulk strings,
/// <c>*2\r\n$3\r\nGET\r\n$1\r\nk\r\n</c>, or a line of words as a person types it. A frame is a whole command, as it
/// came. Replies are written as they are. Errors are worded as Redis words them.
/// </summary>
/// <param name="maxFrameLength">Longest command in bytes.</param>
internal sealed class RespCodec(int maxFrameLength) : CustomFrameCodec(maxFrameLength)
{
    private const int MaxArguments = 1024;

    // A marker, up to 18 digits and CR LF.
    private const int MaxHeaderLength = 21;

    protected override FrameScan Scan(ReadOnlySequence<byte> bytes, ref FrameProgress progress)
        => bytes.FirstSpan[0] == (byte)'*' ? ScanArray(bytes, ref progress) : ScanLine(bytes, ref progress);

    protected override void Encode(FrameContent frame, IBufferWriter<byte> output) => frame.WriteTo(output);

    // progress.State: strings still to come, plus 1, once their number is known.
    private static FrameScan ScanArray(ReadOnlySequence<byte> bytes, ref FrameProgress progress)
    {
        var first = bytes.FirstSpan;
        Span<byte> window = stackalloc byte[MaxHeaderLength];
        while (true)
        {
            var header = bytes.IsSingleSegment ? first[(int)Math.Min(progress.Scanned, first.Length)..]
                : CopyHeader(bytes, progress.Scanned, window);
            var marker = progress.State == 0 ? (byte)'*' : (byte)'$';
            var size = RespHeader.Read(header, marker, out var value);
            if (size == 0 && header.Length < MaxHeaderLength)
            {
                return FrameScan.AtLeast(progress.Scanned + header.Length + 1);
            }

            if (progress.State != 0 && header[0] != marker)
            {
                return FrameScan.Corrupted(
                    $"expected '$', got '{(header[0] is >= 0x20 and < 0x7F ? (char)header[0] : '?')}'");
            }

            if (size <= 0 || (progress.State == 0 ? value > MaxArguments : value < 0))
            {
                return FrameScan.Corrupted(progress.State == 0 ? "invalid multibulk length" : "invalid bulk length");
            }

            if (progress.State == 0 && value <= 0)
            {
                // No command, which is no error either.
                return FrameScan.Frame(size);
            }

            if (progress.State == 0)
            {
                progress.State = value + 1;
                progress.Scanned = size;
            }
            else
            {
                progress.State--;
                progress.Scanned += size + value + 2;
            }

            if (progress.State == 1)
            {
                return FrameScan.Frame(progress.Scanned);
            }

            if (progress.Scanned >= bytes.Length)
            {
                return FrameScan.AtLeast(progress.Scanned + 1);
            }
        }
    }

    private static ReadOnlySpan<byte> CopyHeader(ReadOnlySequence<byte> bytes, long start, Span<byte> window)
    {
        var rest = bytes.Slice(start);
        rest = rest.Slice(0, Math.Min(rest.Length, window.Length));
        rest.CopyTo(window);
        return window[..(int)rest.Length];
    }

    private static FrameScan ScanLine(ReadOnlySequence<byte> bytes, ref FrameProgress progress)
    {
        var rest = bytes.Slice(progress.Scanned);
        if (rest.PositionOf((byte)'\n') is { } end)
        {
            return FrameScan.Frame(bytes.Slice(0, end).Length + 1);
        }

        progress.Scanned = bytes.Length;
        return FrameScan.More;
    }
}
