using System.Buffers;
using System.Globalization;
using System.Text;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// D. J. Bernstein's netstrings, "5:hello,": a custom codec with a length known ahead and something to check.
/// </summary>
internal sealed class NetstringCodec(int maxFrameLength) : CustomFrameCodec(maxFrameLength)
{
    public const int MaxDigits = 6;

    protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
    {
        var reader = new SequenceReader<byte>(bytes);
        var length = 0;
        while (reader.TryRead(out var value))
        {
            if (value == ':' && reader.Consumed > 1)
            {
                return ScanContent(bytes, (int)reader.Consumed, length);
            }

            if (value is < (byte)'0' or > (byte)'9' || reader.Consumed > MaxDigits)
            {
                return FrameScanResult.Corrupted("The length is not a number.");
            }

            length = (length * 10) + value - '0';
        }

        return FrameScanResult.More;
    }

    protected override void Encode(FramePayload frame, IBufferWriter<byte> output)
    {
        var head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{frame.Length}:"));
        if (head.Length + frame.Length + 1 > MaxFrameLength || head.Length - 1 > MaxDigits)
        {
            throw new ArgumentException("The frame is too long.");
        }

        output.Write(head);
        frame.WriteTo(output);
        output.Write(","u8);
    }

    private FrameScanResult ScanContent(ReadOnlySequence<byte> bytes, int head, int length)
    {
        var total = head + length + 1;
        if (total > MaxFrameLength)
        {
            return FrameScanResult.Frame(total, head, tail: 1);
        }

        if (bytes.Length < total)
        {
            return FrameScanResult.AtLeast(total);
        }

        return bytes.Slice(total - 1).FirstSpan[0] == ','
            ? FrameScanResult.Frame(total, head, tail: 1)
            : FrameScanResult.Corrupted("The comma is missing.");
    }
}
