using System.Buffers;

namespace KestrelEventLoopTransport.Framing;

/// <summary>The bytes of a frame that is written, in one piece or several.</summary>
public readonly ref struct FramePayload
{
    // Frames up to this size are written into one span of the output. That is cheaper and wastes little of a block.
    private const int MaxContiguous = 1024;

    private readonly ReadOnlySpan<byte> _first;
    private readonly ReadOnlySpan<byte> _second;
    private readonly ReadOnlySequence<byte> _rest;

    internal FramePayload(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        _first = first;
        _second = second;
        _rest = default;
        Length = (long)first.Length + second.Length;
    }

    internal FramePayload(scoped in ReadOnlySequence<byte> bytes)
    {
        _first = bytes.FirstSpan;
        _second = default;
        _rest = bytes.IsSingleSegment ? default : bytes.Slice(_first.Length);
        Length = bytes.Length;
    }

    private FramePayload(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, scoped in ReadOnlySequence<byte> rest)
    {
        _first = first;
        _second = second;
        _rest = rest;
        Length = (long)first.Length + second.Length + rest.Length;
    }

    /// <summary>Number of bytes.</summary>
    public long Length { get; }

    /// <summary>Copies the bytes to the start of <paramref name="destination"/>.</summary>
    /// <param name="destination">At least <see cref="Length"/> bytes.</param>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public void CopyTo(Span<byte> destination)
    {
        _first.CopyTo(destination);
        _second.CopyTo(destination[_first.Length..]);
        if (!_rest.IsEmpty)
        {
            _rest.CopyTo(destination[(_first.Length + _second.Length)..]);
        }
    }

    /// <summary>Writes the bytes.</summary>
    /// <param name="output">Takes the bytes.</param>
    public void WriteTo(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        WriteTo(output, default, default);
    }

    /// <summary>Enumerates the pieces, including empty ones. Returns false at the end.</summary>
    internal bool TryGetPiece(ref int index, ref SequencePosition position, out ReadOnlySpan<byte> piece)
    {
        switch (index++)
        {
            case 0:
                piece = _first;
                return true;
            case 1:
                piece = _second;
                position = _rest.Start;
                return true;
            default:
                var more = _rest.TryGet(ref position, out var memory);
                piece = memory.Span;
                return more;
        }
    }

    internal FramePayload Slice(int start)
    {
        if (start <= _first.Length)
        {
            return new FramePayload(_first[start..], _second, _rest);
        }

        start -= _first.Length;
        return start <= _second.Length
            ? new FramePayload(default, _second[start..], _rest)
            : new FramePayload(default, default, _rest.Slice(start - _second.Length));
    }

    internal FramePayload Take(int length)
    {
        if (length <= _first.Length)
        {
            return new FramePayload(_first[..length], default);
        }

        var left = length - _first.Length;
        return left <= _second.Length
            ? new FramePayload(_first, _second[..left])
            : new FramePayload(_first, _second, _rest.Slice(0, left - _second.Length));
    }

    internal void WriteTo(IBufferWriter<byte> output, ReadOnlySpan<byte> head, ReadOnlySpan<byte> tail)
    {
        var total = head.Length + Length + tail.Length;
        if (total <= MaxContiguous)
        {
            var span = output.GetSpan((int)total);
            head.CopyTo(span);
            CopyTo(span[head.Length..]);
            tail.CopyTo(span[(int)(total - tail.Length)..]);
            output.Advance((int)total);
            return;
        }

        output.Write(head);
        output.Write(_first);
        output.Write(_second);
        foreach (var memory in _rest)
        {
            output.Write(memory.Span);
        }

        output.Write(tail);
    }
}
