using System.Buffers;
using System.Buffers.Binary;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Frames whose header has their length. <see cref="DecoderState.Step"/> counts the scanned bytes of the header, and
/// <see cref="DecoderState.Value"/> collects those of the field, most significant first.
/// </summary>
internal sealed class LengthFieldCodec : IncrementalCodec
{
    private readonly int _offset;
    private readonly int _size;
    private readonly int _headerLength;
    private readonly int _strip;
    private readonly int _uncounted;
    private readonly bool _littleEndian;

    // Length of the whole frame minus the value of the field.
    private readonly long _added;

    private LengthFieldCodec(
        int maxFrameLength, int offset, int size, int adjustment, int strip, int uncounted, ByteOrder byteOrder)
        : base(maxFrameLength)
    {
        _offset = offset;
        _size = size;
        _headerLength = offset + size;
        _strip = strip;
        _uncounted = uncounted;
        _littleEndian = byteOrder == ByteOrder.LittleEndian;
        _added = (long)_headerLength + adjustment;
    }

    internal static LengthFieldCodec Prefixed(
        int maxFrameLength, int prefixSize, ByteOrder byteOrder, bool lengthIncludesPrefix)
    {
        ThrowIfNotSize(prefixSize);
        ThrowIfUnknown(byteOrder);
        var adjustment = lengthIncludesPrefix ? -prefixSize : 0;
        return new LengthFieldCodec(maxFrameLength, 0, prefixSize, adjustment, prefixSize, prefixSize, byteOrder);
    }

    internal static LengthFieldCodec WithHeader(
        int maxFrameLength,
        int lengthFieldOffset,
        int lengthFieldLength,
        int lengthAdjustment,
        int initialBytesToStrip,
        ByteOrder byteOrder)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxFrameLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthFieldOffset);
        ThrowIfNotSize(lengthFieldLength);
        ArgumentOutOfRangeException.ThrowIfNegative(initialBytesToStrip);
        ThrowIfUnknown(byteOrder);
        var shortest = (long)lengthFieldOffset + lengthFieldLength + Math.Max(lengthAdjustment, 0);
        if (shortest > maxFrameLength)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxFrameLength), maxFrameLength, $"The shortest possible frame has {shortest} bytes.");
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(initialBytesToStrip, shortest);
        var largest = lengthFieldLength == sizeof(long) ? long.MaxValue : (1L << (8 * lengthFieldLength)) - 1;
        if (largest + Math.Min(lengthAdjustment, 0) < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(lengthAdjustment),
                lengthAdjustment,
                $"The field's largest value is {largest}, so every frame would be invalid.");
        }

        return new LengthFieldCodec(
            maxFrameLength, lengthFieldOffset, lengthFieldLength, lengthAdjustment, initialBytesToStrip, 0, byteOrder);
    }

    internal override bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        if (state.Step == 0 && bytes.Length >= _headerLength)
        {
            return Measure(ReadField(bytes.Slice(_offset, _size)), ref state);
        }

        return ScanByByte(bytes, ref state);
    }

    // For a header that arrives in pieces.
    private bool ScanByByte(ReadOnlySpan<byte> bytes, ref DecoderState state)
    {
        var skipped = Math.Clamp(_offset - state.Step, 0, bytes.Length);
        state.Step += skipped;
        foreach (var value in bytes[skipped..])
        {
            var index = state.Step++ - _offset;
            state.Value = _littleEndian ? state.Value | ((long)value << (8 * index)) : (state.Value << 8) | value;
            if (state.Step == _headerLength)
            {
                return Measure(state.Value, ref state);
            }
        }

        state.Uncounted = Math.Min(_uncounted, state.Step);
        return false;
    }

    private bool Measure(long value, ref DecoderState state)
    {
        if (value < 0)
        {
            state.Error = "The length of a frame is negative.";
            return true;
        }

        // Near 2⁶³ the sum would overflow. Any such length is too long.
        var length = value > long.MaxValue - int.MaxValue - _headerLength ? long.MaxValue : value + _added;
        if (length < _headerLength)
        {
            state.Error = "The length of a frame is less than that of its header.";
            return true;
        }

        state.Length = length;
        state.Head = _strip;
        state.Uncounted = _uncounted;
        return true;
    }

    private long ReadField(ReadOnlySpan<byte> field) => (_size, _littleEndian) switch
    {
        (1, _) => field[0],
        (2, false) => BinaryPrimitives.ReadUInt16BigEndian(field),
        (2, true) => BinaryPrimitives.ReadUInt16LittleEndian(field),
        (3, false) => (field[0] << 16) | (field[1] << 8) | field[2],
        (3, true) => (field[2] << 16) | (field[1] << 8) | field[0],
        (4, false) => BinaryPrimitives.ReadUInt32BigEndian(field),
        (4, true) => BinaryPrimitives.ReadUInt32LittleEndian(field),
        (_, false) => BinaryPrimitives.ReadInt64BigEndian(field),
        (_, true) => BinaryPrimitives.ReadInt64LittleEndian(field),
    };

    internal override void EncodeCore(in FramePayload frame, IBufferWriter<byte> output)
    {
        // The field can be computed; other bytes that the reader strips cannot.
        if (_strip > _size || (_strip > 0 && _offset > 0))
        {
            throw new NotSupportedException(
                "This codec only reads: it strips other header bytes than the length, and cannot write them back.");
        }

        if (frame.Length < _headerLength - _strip)
        {
            throw new ArgumentException(
                $"The frame has {frame.Length} bytes, and its header alone has {_headerLength - _strip}.",
                nameof(frame));
        }

        var length = frame.Length + _strip;
        ThrowIfTooLong(length - _uncounted);
        Span<byte> field = stackalloc byte[sizeof(long)];
        field = field[.._size];
        WriteField(field, length - _added);

        if (_offset > 0)
        {
            frame.Take(_offset).WriteTo(output);
        }

        frame.Slice(_headerLength - _strip).WriteTo(output, field, default);
    }

    private void WriteField(Span<byte> field, long value)
    {
        var largest = _size == sizeof(long) ? long.MaxValue : (1L << (8 * _size)) - 1;
        if (value < 0 || value > largest)
        {
            throw new ArgumentException(
                $"The length field would have to hold {value}; a field of {_size} bytes holds 0 to {largest}.");
        }

        for (var i = 0; i < _size; i++)
        {
            field[_littleEndian ? i : _size - 1 - i] = (byte)(value >> (8 * i));
        }
    }

    private static void ThrowIfNotSize(
        int size,
        [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(size))] string? name = null)
    {
        if (size is not (1 or 2 or 3 or 4 or 8))
        {
            throw new ArgumentOutOfRangeException(name, size, "The size must be 1, 2, 3, 4 or 8.");
        }
    }

    private static void ThrowIfUnknown(ByteOrder byteOrder)
    {
        if (byteOrder is not (ByteOrder.BigEndian or ByteOrder.LittleEndian))
        {
            throw new ArgumentOutOfRangeException(
                nameof(byteOrder), byteOrder, "byteOrder must be BigEndian or LittleEndian.");
        }
    }
}
