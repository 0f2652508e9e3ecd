using System.Buffers;
using KestrelEventLoopTransport.Framing;

namespace RedisLite;

/// <summary>
/// The commands of RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/): arrays of bulk strings,
/// <c>*2\r\n$3\r\nGET\r\n$1\r\nk\r\n</c>, or a line of words as a person types it. A frame is a whole command,
/// unchanged. Replies are written without encoding. Errors have Redis's words.
/// </summary>
/// <param name="maxFrameLength">Longest command in bytes.</param>
internal sealed class RespCodec(int maxFrameLength) : CustomFrameCodec(maxFrameLength)
{
    private const int MaxArguments = 1024;

    // A marker, up to 18 digits and CR LF.
    private const int MaxHeaderLength = 21;

    protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
        => bytes.FirstSpan[0] == (byte)'*' ? ScanArray(bytes, ref state) : ScanLine(bytes, ref state);

    protected override void Encode(FramePayload frame, IBufferWriter<byte> output) => frame.WriteTo(output);

    // state.State is the number of strings still to come, plus 1; 0 while their number is unknown.
    private static FrameScanResult ScanArray(ReadOnlySequence<byte> bytes, ref FrameScanState state)
    {
        var first = bytes.FirstSpan;
        Span<byte> window = stackalloc byte[MaxHeaderLength];
        while (true)
        {
            var header = bytes.IsSingleSegment ? first[(int)Math.Min(state.Scanned, first.Length)..]
                : CopyHeader(bytes, state.Scanned, window);
            var marker = state.State == 0 ? (byte)'*' : (byte)'$';
            var size = RespHeader.Read(header, marker, out var value);
            if (size == 0 && header.Length < MaxHeaderLength)
            {
                return FrameScanResult.AtLeast(state.Scanned + header.Length + 1);
            }

            if (state.State != 0 && header[0] != marker)
            {
                return FrameScanResult.Corrupted(
                    $"expected '$', got '{(header[0] is >= 0x20 and < 0x7F ? (char)header[0] : '?')}'");
            }

            if (size <= 0 || (state.State == 0 ? value > MaxArguments : value < 0))
            {
                return FrameScanResult.Corrupted(state.State == 0 ? "invalid multibulk length" : "invalid bulk length");
            }

            if (state.State == 0 && value <= 0)
            {
                // An empty array is not a command, and not an error.
                return FrameScanResult.Frame(size);
            }

            if (state.State == 0)
            {
                state.State = value + 1;
                state.Scanned = size;
            }
            else
            {
                state.State--;
                state.Scanned += size + value + 2;
            }

            if (state.State == 1)
            {
                return FrameScanResult.Frame(state.Scanned);
            }

            if (state.Scanned >= bytes.Length)
            {
                return FrameScanResult.AtLeast(state.Scanned + 1);
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

    private static FrameScanResult ScanLine(ReadOnlySequence<byte> bytes, ref FrameScanState state)
    {
        var rest = bytes.Slice(state.Scanned);
        if (rest.PositionOf((byte)'\n') is { } end)
        {
            return FrameScanResult.Frame(bytes.Slice(0, end).Length + 1);
        }

        state.Scanned = bytes.Length;
        return FrameScanResult.More;
    }
}
