namespace KestrelEventLoopTransport.Connections.Buffers;

/// <summary>
/// Segment objects (without blocks) that a connection uses again, so that a read or write allocates nothing.
/// One thread at a time takes; any thread gives.
/// </summary>
internal struct SegmentCache
{
    // Enough for a 64 KiB response in blocks of 4 KiB; more would only be memory that an idle connection holds.
    private const int Capacity = 20;

    private BufferSegment? _mine;
    private BufferSegment? _given;

    internal BufferSegment Take()
    {
        var segment = _mine;
        if (segment is null)
        {
            // All at once: a stack from which single elements are popped would need protection against ABA.
            segment = Interlocked.Exchange(ref _given, null);
            if (segment is null)
            {
                return new BufferSegment();
            }
        }

        _mine = segment.Following;
        segment.Following = null;
        return segment;
    }

    /// <summary>Returns the segment's block to its pool and keeps the object.</summary>
    internal void Give(BufferSegment segment)
    {
        segment.Return();
        BufferSegment? top;
        do
        {
            top = Volatile.Read(ref _given);
            var depth = top is null ? 1 : top.Depth + 1;
            if (depth > Capacity)
            {
                return;
            }

            segment.Depth = depth;
            segment.Following = top;
        }
        while (Interlocked.CompareExchange(ref _given, segment, top) != top);
    }
}
