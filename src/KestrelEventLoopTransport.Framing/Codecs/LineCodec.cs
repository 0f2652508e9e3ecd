using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Lines that end with LF or CR LF. Finds the same frames as a <see cref="DelimitedCodec"/> with these two delimiters,
/// but searches only for LF.
/// </summary>
internal sealed class LineCodec(int maxFrameLength, byte[] ending, bool keepDelimiter)
    : IncrementalCodec(maxFrameLength)
{
    internal override bool EndsWithDelimiter => true;

    internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        var index = bytes.IndexOf((byte)'\n');
        if (index < 0)
        {
            // A CR in the last byte may belong to the line's end. Step says that there is one.
            state.Step = state.Uncounted = bytes[^1] == '\r' ? 1 : 0;
            return false;
        }

        var hasCr = index > 0 ? bytes[index - 1] == '\r' : state.Step != 0;
        state.Uncounted = hasCr ? 2 : 1;
        state.Tail = keepDelimiter ? 0 : state.Uncounted;
        state.Length = state.Seen + index + 1;
        return true;
    }

    internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        var end = Search(frame);
        if (keepDelimiter)
        {
            if (end.Length == 0 || end.Length != frame.Length)
            {
                throw new ArgumentException(
                    "The frame must end with the end of a line and contain no other one.", nameof(frame));
            }

            ThrowIfTooLong(frame.Length - end.Uncounted);
            frame.WriteTo(output, default, default);
            return;
        }

        if (end.Length != 0)
        {
            throw new ArgumentException("The frame contains the end of a line.", nameof(frame));
        }

        ThrowIfTooLong(frame.Length);

        // Behind a frame that ends with CR, a single LF would make that CR part of the line's end.
        frame.WriteTo(output, default, end.Step != 0 ? "\r\n"u8 : ending);
    }

    private DecoderState Search(in FramePayload frame)
    {
        DecoderState state = default;
        var index = 0;
        SequencePosition position = default;
        while (frame.TryGetPiece(ref index, ref position, out var piece))
        {
            if (piece.IsEmpty)
            {
                continue;
            }

            if (Scan(piece, ref state))
            {
                break;
            }

            state.Seen += piece.Length;
        }

        return state;
    }
}
