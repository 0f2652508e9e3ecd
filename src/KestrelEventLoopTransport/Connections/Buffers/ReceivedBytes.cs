namespace KestrelEventLoopTransport.Connections.Buffers;

/// <summary>
/// A chain of segments that receives fill. Positions count all bytes since the chain was last empty. One thread at a
/// time moves it; <see cref="Length"/> may be read by others as a hint.
/// </summary>
internal struct ReceivedBytes
{
    private BufferSegment? _head;

    internal BufferSegment? Head
    {
        readonly get => _head;
        set => _head = value;
    }

    internal BufferSegment? Tail { get; private set; }

    /// <summary>The position behind the last byte.</summary>
    internal long Length { get; private set; }

    /// <summary>Adds what one receive brought.</summary>
    /// <param name="count">Number of bytes.</param>
    /// <param name="room">Number of bytes that the last segment had room for, and that were offered first.</param>
    /// <param name="fresh">The segments that were offered next; those that stayed empty stay here.</param>
    internal void Append(int count, int room, ref BufferSegment? fresh)
    {
        Length += count;
        if (room > 0)
        {
            var part = Math.Min(count, room);
            Tail!.SetReadable(Tail.End + part, Tail.RunningIndex);
            count -= part;
        }

        while (count > 0)
        {
            var segment = fresh!;
            fresh = segment.Following;
            segment.Following = null;
            var part = Math.Min(count, segment.Free);
            segment.SetReadable(part, 0);
            Link(segment);
            count -= part;
        }
    }

    /// <summary>Adds all that another chain has, and empties that.</summary>
    internal void Take(ref ReceivedBytes other)
    {
        // Completing the reader may take the chain away at any time.
        var segment = Interlocked.Exchange(ref other._head, null);
        other.Tail = null;
        other.Length = 0;
        while (segment is not null)
        {
            var next = segment.Following;
            Length += segment.End;
            Link(segment);
            segment = next;
        }
    }

    /// <summary>Returns the blocks. Only the first of two threads that do so at the same time does it.</summary>
    internal void Free(ref SegmentCache segments)
    {
        var segment = Interlocked.Exchange(ref _head, null);
        Tail = null;
        Length = 0;
        while (segment is not null)
        {
            var next = segment.Following;
            segments.Give(segment);
            segment = next;
        }
    }

    private void Link(BufferSegment segment)
    {
        segment.SetReadable(segment.End, Tail is null ? 0 : Tail.RunningIndex + Tail.End);
        if (Tail is null)
        {
            _head = segment;
        }
        else
        {
            Tail.Following = segment;
        }

        Tail = segment;
    }
}
