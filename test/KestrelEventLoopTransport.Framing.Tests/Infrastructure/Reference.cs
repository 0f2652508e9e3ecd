using System.Numerics;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// Decoders written again, as plainly as possible: from a whole stream in one array, again and again from each frame's
/// start, with big numbers.
/// </summary>
internal static class Reference
{
    public delegate Measured Measure(ReadOnlySpan<byte> bytes);

    public static Decoding Decode(
        byte[] bytes, Measure measure, int maxFrameLength, FrameReaderOptions options, bool endsWithDelimiter)
    {
        var decoding = new Decoding();
        for (var position = 0; position < bytes.Length;)
        {
            var measured = measure(bytes.AsSpan(position));
            if (measured.IsCorrupted)
            {
                decoding.AddError(FrameError.Corrupted);
                return decoding;
            }

            var isTooLong = measured.Counted > maxFrameLength;
            if (isTooLong && (options.OversizedFrame == OversizedFrameBehavior.Error || !measured.CanSkip))
            {
                decoding.AddError(FrameError.TooLong);
                return decoding;
            }

            if (isTooLong)
            {
                decoding.AddDiscarded();
            }

            if (measured.Length is not { } length || position + length > bytes.Length)
            {
                if (options.DeliverTruncated && endsWithDelimiter)
                {
                    AddRest(decoding, bytes.AsSpan(position), isTooLong, maxFrameLength, options);
                    return decoding;
                }

                decoding.DiscardedBytes += isTooLong ? bytes.Length - position : 0;
                if (!options.AllowTruncated)
                {
                    decoding.AddError(FrameError.Truncated);
                }

                return decoding;
            }

            if (isTooLong)
            {
                decoding.DiscardedBytes += (int)length;
            }
            else
            {
                decoding.AddFrame(bytes.AsSpan(position, (int)length)[measured.Head..^measured.Tail]);
            }

            position += (int)length;
        }

        return decoding;
    }

    // What might have become a delimiter counts now.
    private static void AddRest(
        Decoding decoding, ReadOnlySpan<byte> rest, bool isTooLong, int maxFrameLength, FrameReaderOptions options)
    {
        if (isTooLong)
        {
            decoding.DiscardedBytes += rest.Length;
        }
        else if (rest.Length <= maxFrameLength)
        {
            decoding.AddFrame(rest);
        }
        else if (options.OversizedFrame == OversizedFrameBehavior.Error)
        {
            decoding.AddError(FrameError.TooLong);
        }
        else
        {
            decoding.AddDiscarded();
            decoding.DiscardedBytes += rest.Length;
        }
    }

    public static Measure FixedLength(int length) => _ => new Measured(length, length);

    /// <summary>The delimiter that starts first.</summary>
    public static Measure Delimited(byte[][] delimiters, bool keepDelimiter) => bytes =>
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            foreach (var delimiter in delimiters)
            {
                if (bytes[i..].StartsWith(delimiter))
                {
                    return new Measured(i + delimiter.Length, i, Tail: keepDelimiter ? 0 : delimiter.Length);
                }
            }
        }

        // The longest end that may become a delimiter does not count yet.
        for (var i = 0; i < bytes.Length; i++)
        {
            foreach (var delimiter in delimiters)
            {
                if (delimiter.AsSpan().StartsWith(bytes[i..]))
                {
                    return new Measured(null, i);
                }
            }
        }

        return new Measured(null, bytes.Length);
    };

    public static Measure LengthField(
        int offset, int size, int adjustment, int strip, int uncounted, ByteOrder byteOrder) => bytes =>
    {
        var headerLength = offset + size;
        if (bytes.Length < headerLength)
        {
            return new Measured(null, 0);
        }

        var field = new BigInteger(
            bytes.Slice(offset, size), isUnsigned: size < 8, isBigEndian: byteOrder == ByteOrder.BigEndian);
        var length = field + adjustment + headerLength;
        return field < 0 || length < headerLength
            ? Measured.Corrupted
            : new Measured(length, length - uncounted, Head: strip);
    };

    public static Measure Varint32() => bytes =>
    {
        BigInteger value = 0;
        for (var i = 0; i < bytes.Length && i < 5; i++)
        {
            value += new BigInteger(bytes[i] % 128) << (7 * i);
            if (value > int.MaxValue || (i == 4 && bytes[i] >= 128))
            {
                return Measured.Corrupted;
            }

            if (bytes[i] < 128)
            {
                return new Measured(value + i + 1, value, Head: i + 1);
            }
        }

        return new Measured(null, 0);
    };

    /// <summary>See <see cref="NetstringCodec"/>.</summary>
    public static Measure Netstring(int maxFrameLength) => bytes =>
    {
        var value = 0;
        for (var i = 0; i < Math.Min(bytes.Length, maxFrameLength); i++)
        {
            if (bytes[i] == ':' && i > 0)
            {
                var total = i + 1 + value + 1;
                return total <= maxFrameLength && bytes.Length >= total && bytes[total - 1] != ','
                    ? Measured.Corrupted
                    : new Measured(total, total, Head: i + 1, Tail: 1);
            }

            if (bytes[i] is < (byte)'0' or > (byte)'9' || i == NetstringCodec.MaxDigits)
            {
                return Measured.Corrupted;
            }

            value = (value * 10) + bytes[i] - '0';
        }

        return bytes.Length < maxFrameLength
            ? new Measured(null, 0)
            : new Measured(null, maxFrameLength + 1, CanSkip: false);
    };
}
