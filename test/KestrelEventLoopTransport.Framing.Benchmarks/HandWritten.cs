using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>
/// What people write today, with a maximum length: loops over a <see cref="SequenceReader{T}"/>. They return the number
/// of bytes in frames, and where the rest begins.
/// </summary>
internal static class HandWritten
{
    public static long ReadLines(in ReadOnlySequence<byte> bytes, out SequencePosition rest)
    {
        var reader = new SequenceReader<byte>(bytes);
        var sum = 0L;
        while (reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            var length = line.Length;
            if (length > 0 && line.Slice(length - 1).FirstSpan[0] == '\r')
            {
                line = line.Slice(0, --length);
            }

            if (length > Frames.MaxLength)
            {
                throw new InvalidDataException();
            }

            sum += line.Length;
        }

        rest = reader.Position;
        return sum;
    }

    public static long ReadDelimited(in ReadOnlySequence<byte> bytes, out SequencePosition rest)
    {
        var reader = new SequenceReader<byte>(bytes);
        var sum = 0L;
        while (reader.TryReadTo(out ReadOnlySequence<byte> frame, "\r\n"u8))
        {
            if (frame.Length > Frames.MaxLength)
            {
                throw new InvalidDataException();
            }

            sum += frame.Length;
        }

        rest = reader.Position;
        return sum;
    }

    public static long ReadFixedLength(in ReadOnlySequence<byte> bytes, out SequencePosition rest)
    {
        var reader = new SequenceReader<byte>(bytes);
        var sum = 0L;
        while (reader.TryReadExact(Frames.Length, out var frame))
        {
            sum += frame.Length;
        }

        rest = reader.Position;
        return sum;
    }

    public static long ReadLengthPrefixed(in ReadOnlySequence<byte> bytes, out SequencePosition rest)
    {
        var reader = new SequenceReader<byte>(bytes);
        var sum = 0L;
        rest = reader.Position;
        while (reader.TryReadBigEndian(out int length))
        {
            if ((uint)length > Frames.MaxLength)
            {
                throw new InvalidDataException();
            }

            if (!reader.TryReadExact(length, out var frame))
            {
                break;
            }

            sum += frame.Length;
            rest = reader.Position;
        }

        return sum;
    }

    public static long ReadVarint32(in ReadOnlySequence<byte> bytes, out SequencePosition rest)
    {
        var reader = new SequenceReader<byte>(bytes);
        var sum = 0L;
        rest = reader.Position;
        while (TryReadVarint(ref reader, out var length) && reader.TryReadExact(length, out var frame))
        {
            sum += frame.Length;
            rest = reader.Position;
        }

        return sum;
    }

    private static bool TryReadVarint(ref SequenceReader<byte> reader, out int length)
    {
        length = 0;
        for (var shift = 0; reader.TryRead(out var value); shift += 7)
        {
            length |= (value & 0x7F) << shift;
            if (shift > 28 || length is < 0 or > Frames.MaxLength)
            {
                throw new InvalidDataException();
            }

            if (value < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
