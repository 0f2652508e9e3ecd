namespace KestrelEventLoopTransport.Connections.Buffers;

/// <summary>
/// A chain of segments that receives fill. Positions count all bytes since the chain was last empty. One thread at a
/// time changes it. Others may read <see cref="Length"/> as a hint.
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

    /// <summary>Whether there are no bytes. Any thread may ask.</summary>
    internal readonly bool IsEmpty => Volatile.Read(in _head) is null;

    /// <summary>The position behind the last byte.</summary>
    internal readonly long Length => Tail is { } tail ? tail.RunningIndex + tail.End : 0;

    /// <summary>Adds the bytes of one receive.</summary>
    /// <param name="count">Number of bytes.</param>
    /// <param name="room">Number of bytes that the last segment had room for. They were filled first.</param>
    /// <param name="fresh">The segments that were filled next. Those that stayed empty are left here.</param>
    internal void Append(int count, int room, ref BufferSegment? fresh)
    {
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
            Link(segment, part);
            count -= part;
        }
    }

    /// <summary>Moves all bytes of another chain to the end of this one.</summary>
    internal void Take(ref ReceivedBytes other)
    {
        // A thread that completes the reader may take the chain away at any time.
        var segment = Interlocked.Exchange(ref other._head, null);
        other.Tail = null;
        while (segment is not null)
        {
            var next = segment.Following;
            Link(segment, segment.End);
            segment = next;
        }
    }

    /// <summary>Returns the blocks. If two threads do so at the same time, only the first one does.</summary>
    internal void Free(ref SegmentCache segments)
    {
        var segment = Interlocked.Exchange(ref _head, null);
        Tail = null;
        while (segment is not null)
        {
            var next = segment.Following;
            segments.Give(segment);
            segment = next;
        }
    }

    private void Link(BufferSegment segment, int end)
    {
        var tail = Tail;
        if (tail is null)
        {
            segment.SetReadable(end, 0);
            _head = segment;
        }
        else
        {
            segment.SetReadable(end, tail.RunningIndex + tail.End);
            tail.Following = segment;
        }

        Tail = segment;
    }
}
