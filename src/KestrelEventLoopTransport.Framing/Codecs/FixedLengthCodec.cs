using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>Frames of one length.</summary>
internal sealed class FixedLengthCodec(int frameLength) : FrameCodec(frameLength)
{
    internal override bool ScanCore(ReadOnlySpan<byte> bytes, ref ScanState state)
    {
        state.Length = MaxFrameLength;
        return true;
    }

    internal override void EncodeCore(in FrameContent frame, IBufferWriter<byte> output)
    {
        if (frame.Length != MaxFrameLength)
        {
            throw new ArgumentException(
                $"The frame has {frame.Length} bytes; the codec's frames have {MaxFrameLength}.", nameof(frame));
        }

        frame.WriteTo(output, default, default);
    }
}
