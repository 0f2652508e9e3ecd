using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>Frames of one length.</summary>
internal sealed class FixedLengthCodec(int frameLength) : IncrementalCodec(frameLength)
{
    internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        state.Length = MaxFrameLength;
        return true;
    }

    internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        if (frame.Length != MaxFrameLength)
        {
            throw new ArgumentException(
                $"The frame has {frame.Length} bytes; the codec's frames have {MaxFrameLength} bytes.", nameof(frame));
        }

        frame.WriteTo(output, default, default);
    }
}
