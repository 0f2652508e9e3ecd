using System.Buffers;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Reading;

/// <summary>
/// What one read returned, with two places in it: where the current frame starts, and the piece of memory that is being
/// scanned.
/// </summary>
internal struct HeldBytes
{
    private readonly ReadOnlySequence<byte> _bytes;
    private Cursor _start;

    // The piece is scanned from _offset on. _pieceStart is the position of its first byte.
    private ReadOnlyMemory<byte> _piece;
    private Cursor _pieceStart;
    private ReadOnlySequenceSegment<byte>? _pieceSegment;
    private int _offset;
    private SequencePosition _next;

    // The current frame ends at this offset of the piece, once it was reached.
    private int _end;

    /// <param name="bytes">What the read returned. It starts with the current frame.</param>
    /// <param name="seen">How many bytes of the current frame were scanned in earlier reads.</param>
    internal HeldBytes(in ReadOnlySequence<byte> bytes, long seen)
    {
        _bytes = bytes;
        _start = new Cursor(bytes.Start);
        MoveTo(seen == 0 ? bytes.Start : bytes.GetPosition(seen));
        SkipEmptyPieces(isAtStart: seen == 0);
    }

    /// <summary>All bytes from the start of the current frame on.</summary>
    internal readonly ReadOnlySequence<byte> Rest => _bytes.Slice(Start);

    /// <summary>What is to be scanned next. It may be empty.</summary>
    internal readonly ReadOnlySpan<byte> Unscanned => _piece.Span[_offset..];

    /// <summary>Where the current frame starts.</summary>
    internal readonly SequencePosition Start => _start.Position;

    internal readonly SequencePosition End => _bytes.End;

    /// <summary>How many bytes were held before the current frame.</summary>
    internal readonly long Consumed => _bytes.Length - Rest.Length;

    /// <summary>The position a number of bytes behind the start of the current frame.</summary>
    internal readonly SequencePosition At(long offset) => _bytes.GetPosition(offset, Start);

    internal bool TryNextPiece()
    {
        var position = _next;
        if (position.GetObject() is null || !_bytes.TryGet(ref _next, out var piece))
        {
            return false;
        }

        SetPiece(position, piece);
        return true;
    }

    /// <summary>Finds the frame's end if it lies in the piece.</summary>
    /// <param name="left">How many bytes of the frame were not scanned.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryReachEnd(long left)
    {
        if (left > _piece.Length - _offset)
        {
            return false;
        }

        _end = _offset + (int)left;
        return true;
    }

    /// <summary>Finds the frame's end in a later piece. Returns false if it has not arrived.</summary>
    /// <param name="length">All bytes of the frame.</param>
    internal bool TryReachFarEnd(long length)
    {
        var rest = Rest;
        if (rest.Length < length)
        {
            return false;
        }

        MoveTo(rest.GetPosition(length));
        _end = 0;
        return true;
    }

    /// <summary>Gets the current frame, whose end was reached.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly void SliceFrame(in DecoderState scan, out ReadOnlySequence<byte> frame)
    {
        if (_pieceSegment is { } segment && _start.IsIn(segment))
        {
            var end = _pieceStart.Index + _end - scan.Tail;
            frame = new ReadOnlySequence<byte>(segment, _start.Index + scan.Head, segment, end);
        }
        else
        {
            SliceFarFrame(scan, out frame);
        }
    }

    // Apart, so that the temporaries of slicing cost nothing where the frame lies in one piece.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void SliceFarFrame(in DecoderState scan, out ReadOnlySequence<byte> frame)
        => frame = _bytes.Slice(Start, _pieceStart.At(_end)).Slice(scan.Head, scan.Length - scan.Head - scan.Tail);

    /// <summary>The next frame starts where the current one ends.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void BeginFrame()
    {
        _start.MoveTo(_pieceStart, _end);
        _offset = _end;
        if (_offset == _piece.Length)
        {
            SkipEmptyPieces(isAtStart: true);
        }
    }

    /// <summary>Scans the current frame from its start again.</summary>
    internal void BeginAgain()
    {
        MoveTo(Start);
        SkipEmptyPieces(isAtStart: true);
    }

    // A frame does not begin with an empty segment, which handlers would not expect.
    private void SkipEmptyPieces(bool isAtStart)
    {
        while (_offset == _piece.Length && TryNextPiece())
        {
            if (isAtStart)
            {
                _start = _pieceStart;
            }
        }
    }

    private void MoveTo(SequencePosition position)
    {
        _next = position;
        if (!TryNextPiece())
        {
            SetPiece(position, default);
        }
    }

    private void SetPiece(SequencePosition position, ReadOnlyMemory<byte> piece)
    {
        _pieceStart = new Cursor(position);
        _pieceSegment = position.GetObject() as ReadOnlySequenceSegment<byte>;
        _piece = piece;
        _offset = 0;
    }
}
