using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using KestrelEventLoopTransport.Connections.Buffers;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The bytes that the reader has not consumed, and how much of them it has examined. The reader's own.
/// </summary>
internal struct ReadBuffer
{
    private ReceivedBytes _bytes;

    // The most that a read has examined, as a position of _bytes.
    private long _examined;

    // The first byte that is not consumed, as an index into the first segment.
    private int _headIndex;

    // The last AdvanceTo examined less than one before.
    private bool _isRewound;

    /// <summary>
    /// The last <c>AdvanceTo</c> neither consumed nor examined anything new. Bytes that were seen before then do not
    /// satisfy the next read.
    /// </summary>
    internal bool IsStalled { get; set; }

    /// <summary>How the stream ends after these bytes.</summary>
    internal StreamEnd End { get; set; }

    /// <summary>The reader was completed before it had consumed all that it had received.</summary>
    internal bool WasLeft { get; set; }

    /// <summary>Whether there are no bytes. Any thread may ask.</summary>
    internal readonly bool IsEmpty => _bytes.IsEmpty;

    /// <summary>Whether there are bytes that no read has examined.</summary>
    internal readonly bool HasUnexamined => _bytes.Length > _examined;

    /// <summary>
    /// Whether <c>TryRead</c> returns the bytes that an earlier read has examined, as with Pipe: the last
    /// <c>AdvanceTo</c> went back behind them.
    /// </summary>
    internal readonly bool IsRewound => _isRewound;

    /// <summary>
    /// Number of bytes that no read has examined. Other threads may ask: the answer then is a hint, and rather too
    /// small than too large. For that, the order of the two reads is the reverse of the writes in <see cref="Free"/>.
    /// </summary>
    internal readonly long Unexamined
    {
        get
        {
            var examined = Volatile.Read(in _examined);
            return Math.Max(_bytes.Length - examined, 0);
        }
    }

    /// <summary>Where a receive puts its bytes.</summary>
    [UnscopedRef]
    internal ref ReceivedBytes Bytes => ref _bytes;

    internal readonly ReadOnlySequence<byte> ToSequence()
        => _bytes.Head is { } head
            ? new ReadOnlySequence<byte>(head, _headIndex, _bytes.Tail!, _bytes.Tail!.End)
            : ReadOnlySequence<byte>.Empty;

    /// <exception cref="InvalidOperationException">A position lies outside of the bytes.</exception>
    internal void Advance(SequencePosition consumed, SequencePosition examined, ref SegmentCache segments)
    {
        IsStalled = false;
        if (_bytes.Head is not { } head)
        {
            return;
        }

        var consumedBefore = head.RunningIndex + _headIndex;
        var consumedTo = PositionOf(consumed, consumedBefore);
        var examinedTo = PositionOf(examined, consumedTo);
        var length = _bytes.Length;
        if (consumedTo < consumedBefore || examinedTo < consumedTo || examinedTo > length)
        {
            throw new InvalidOperationException(
                "AdvanceTo needs positions of the last read's buffer, and examined must not lie before consumed.");
        }

        if (consumedTo == length)
        {
            Free(ref segments);
            return;
        }

        IsStalled = consumedTo == consumedBefore && examinedTo <= _examined;
        _isRewound = examinedTo < _examined;
        _examined = Math.Max(examinedTo, _examined);
        Consume(head, consumedTo, ref segments);
    }

    /// <summary>Returns the blocks of all bytes.</summary>
    internal void Free(ref SegmentCache segments)
    {
        _bytes.Free(ref segments);
        _headIndex = 0;
        _isRewound = false;
        Volatile.Write(ref _examined, 0);
    }

    private static long PositionOf(SequencePosition position, long fallback)
        => position.GetObject() is BufferSegment segment
            ? segment.RunningIndex + position.GetInteger()
            : fallback;

    private void Consume(BufferSegment head, long consumedTo, ref SegmentCache segments)
    {
        while (consumedTo >= head.RunningIndex + head.End)
        {
            var next = head.Following!;
            segments.Give(head);
            head = next;
        }

        _bytes.Head = head;
        _headIndex = (int)(consumedTo - head.RunningIndex);
    }
}
