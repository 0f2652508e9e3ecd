using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Frames with their length in front as a varint. <see cref="DecoderState.Step"/> counts the bytes of the varint, and
/// <see cref="DecoderState.Value"/> collects its bits.
/// </summary>
internal sealed class Varint32Codec(int maxFrameLength) : IncrementalCodec(maxFrameLength)
{
    // The varint has up to 5 × 7 bits. Of the last byte, 3 bits fit a positive int.
    private const int MaxSize = 5;
    private const int MaxLastByte = 0x07;

    internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        foreach (var value in bytes)
        {
            if (state.Step == MaxSize - 1 && value > MaxLastByte)
            {
                state.Error = "The varint of a frame's length has more than 5 bytes or 31 bits.";
                return true;
            }

            state.Value |= (long)(value & 0x7F) << (7 * state.Step++);
            if (value < 0x80)
            {
                state.Head = state.Uncounted = state.Step;
                state.Length = state.Value + state.Step;
                return true;
            }
        }

        state.Uncounted = state.Step;
        return false;
    }

    internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        ThrowIfTooLong(frame.Length);
        Span<byte> prefix = stackalloc byte[MaxSize];
        var size = 0;
        var left = (uint)frame.Length;
        for (; left >= 0x80; left >>= 7)
        {
            prefix[size++] = (byte)(left | 0x80);
        }

        prefix[size++] = (byte)left;
        frame.WriteTo(output, prefix[..size], default);
    }
}
