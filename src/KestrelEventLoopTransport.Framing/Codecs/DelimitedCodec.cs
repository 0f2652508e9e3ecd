using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Frames that end with one of several delimiters. <see cref="DecoderState.Step"/> is the automaton's state.
/// </summary>
internal sealed class DelimitedCodec : IncrementalCodec
{
    private readonly DelimiterAutomaton _automaton;
    private readonly byte[] _written;
    private readonly bool _keepDelimiter;

    internal DelimitedCodec(int maxFrameLength, byte[][] delimiters, bool keepDelimiter)
        : base(maxFrameLength)
    {
        Validate(delimiters);
        _automaton = new DelimiterAutomaton(delimiters);
        _written = delimiters[0];
        _keepDelimiter = keepDelimiter;
    }

    internal override bool EndsWithDelimiter => true;

    internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        var end = _automaton.Search(bytes, ref state.Step);
        state.Uncounted = _automaton.Depth(state.Step);
        if (end < 0)
        {
            return false;
        }

        state.Tail = _keepDelimiter ? 0 : state.Uncounted;
        state.Length = state.Seen + end;
        return true;
    }

    internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        var end = Search(frame, out var state);
        if (_keepDelimiter)
        {
            if (end < 0 || end != frame.Length)
            {
                throw new ArgumentException(
                    "The frame must end with a delimiter and contain no other one.", nameof(frame));
            }

            ThrowIfTooLong(end - _automaton.Depth(state));
            frame.WriteTo(output, default, default);
            return;
        }

        // The last bytes of the frame and the first bytes of the delimiter may together be a delimiter, too.
        var length = _written.Length;
        if (end >= 0 || _automaton.Search(_written, ref state) != length || _automaton.Depth(state) != length)
        {
            throw new ArgumentException(
                "The frame contains a delimiter, or its end and the delimiter behind it contain one.", nameof(frame));
        }

        ThrowIfTooLong(frame.Length);
        frame.WriteTo(output, default, _written);
    }

    /// <summary>Number of bytes up to the end of the first delimiter in the frame, or -1.</summary>
    private long Search(in FramePayload frame, out int state)
    {
        state = 0;
        var seen = 0L;
        var index = 0;
        SequencePosition position = default;
        while (frame.TryGetPiece(ref index, ref position, out var piece))
        {
            var end = _automaton.Search(piece, ref state);
            if (end >= 0)
            {
                return seen + end;
            }

            seen += piece.Length;
        }

        return -1;
    }

    private static void Validate(byte[][] delimiters)
    {
        if (delimiters.Length == 0)
        {
            throw new ArgumentException("There must be at least one delimiter.", nameof(delimiters));
        }

        if (delimiters.Any(static d => d.Length == 0))
        {
            throw new ArgumentException("A delimiter must have at least one byte.", nameof(delimiters));
        }

        var total = delimiters.Sum(static d => (long)d.Length);
        if (total > DelimiterAutomaton.MaxTotalLength)
        {
            throw new ArgumentException(
                $"The delimiters have {total} bytes together; the maximum is {DelimiterAutomaton.MaxTotalLength}.",
                nameof(delimiters));
        }

        for (var i = 0; i < delimiters.Length; i++)
        {
            for (var j = 0; j < delimiters.Length; j++)
            {
                if (i != j)
                {
                    ThrowIfAmbiguous(delimiters[i], delimiters[j]);
                }
            }
        }
    }

    private static void ThrowIfAmbiguous(byte[] inner, byte[] outer)
    {
        if (outer.AsSpan(0, outer.Length - 1).IndexOf(inner) >= 0 || outer.AsSpan().SequenceEqual(inner))
        {
            throw new ArgumentException(
                $"The delimiter {Convert.ToHexString(inner)} is equal to the delimiter {Convert.ToHexString(outer)},"
                + " or is at its start or in its middle. It may only be at its end.");
        }
    }
}
