using System.Buffers;
using System.Diagnostics;
using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// The bytes between a writer and the socket: a chain of segments. The writer appends at the tail and commits; the
/// sender takes from the head. Both may run at the same time. They share only the links of the chain and the two
/// counters of committed and sent bytes; <see cref="OutputState"/> says which thread is the sender and which one frees
/// the chain.
/// </summary>
internal unsafe struct SendQueue
{
    private SegmentCache _segments;

    // The writer's.
    private BufferSegment? _tail;
    private long _written;

    // Set by the writer, read by the sender.
    private long _committed;

    // The sender's: the first unsent byte, and the number of bytes sent. The writer sets them when it starts a chain,
    // while there is no sender.
    private BufferSegment? _head;
    private int _headOffset;
    private long _sent;

    // The bytes that are sent, or dropped at the end.
    private long _settled;

    /// <summary>Whether the writer may append: it has got memory since it last committed.</summary>
    internal bool IsOpen { get; private set; }

    /// <summary>The bytes that are written and not committed. For the writer only.</summary>
    internal readonly long Uncommitted => _written - _committed;

    /// <summary>The bytes that are committed and not sent.</summary>
    internal readonly long Unsent => Volatile.Read(in _committed) - Volatile.Read(in _settled);

    /// <summary>Whether anything was ever sent.</summary>
    internal readonly bool HasSent => Sent > 0;

    /// <summary>The bytes that are sent.</summary>
    internal readonly long Sent => Volatile.Read(in _sent);

    /// <summary>Whether all that is committed is sent. For the writer, and for an output that has ended.</summary>
    internal readonly bool HasSentAll => Unsent == 0 && Sent == Volatile.Read(in _settled);

    /// <summary>The first segment that is not sent completely. For the thread that sends or frees the chain.</summary>
    internal readonly BufferSegment? Head => _head;

    /// <summary>The free memory at the end of the chain.</summary>
    internal readonly Memory<byte> Free => _tail!.Block[_tail.End..];

    /// <summary>Starts a chain.</summary>
    internal void Start(MemoryPool<byte> pool, int sizeHint)
    {
        var segment = Rent(pool, sizeHint);
        _tail = segment;
        _head = segment;
        _headOffset = 0;
    }

    /// <summary>The chain is open for the writer.</summary>
    internal void Open() => IsOpen = true;

    /// <summary>Makes room for at least <paramref name="sizeHint"/> bytes, or for one.</summary>
    internal void EnsureRoom(MemoryPool<byte> pool, int sizeHint)
    {
        if (_tail!.Free < Math.Max(sizeHint, 1))
        {
            var segment = Rent(pool, sizeHint);
            _tail.Following = segment;
            _tail = segment;
        }
    }

    /// <summary>Counts bytes as written. False: there is not that much memory.</summary>
    internal bool TryAdvance(int bytes)
    {
        if (!IsOpen || (uint)bytes > (uint)_tail!.Free)
        {
            return false;
        }

        _tail.SetEnd(_tail.End + bytes);
        _written += bytes;
        return true;
    }

    /// <summary>Lets the sender see what was written.</summary>
    internal void Commit()
    {
        IsOpen = false;
        Volatile.Write(ref _committed, _written);
    }

    /// <summary>Describes unsent bytes to a system call. Returns the number of vectors.</summary>
    /// <param name="vectors">Room for the vectors.</param>
    /// <param name="unsent">The number of unsent bytes; on return, of those that the vectors do not reach.</param>
    internal readonly int Gather(Span<iovec> vectors, ref long unsent)
    {
        var count = 0;
        var segment = _head;
        var offset = _headOffset;
        while (segment is not null && unsent > 0 && count < vectors.Length)
        {
            // The link is read first: a segment that has a following one has its final end, and the last one holds
            // all of the rest.
            var following = segment.Following;
            var length = following is null ? unsent : Math.Min(segment.End - offset, unsent);
            Debug.Assert(length <= segment.Block.Length - offset, "A vector lies within its block.");
            if (length > 0)
            {
                vectors[count++] = new iovec { iov_base = segment.Address + offset, iov_len = (nuint)length };
                unsent -= length;
            }

            segment = following;
            offset = 0;
        }

        return count;
    }

    /// <summary>Counts bytes as sent, and returns the blocks before the first unsent byte.</summary>
    internal void Consume(long sent)
    {
        var left = sent;
        while (_head!.Following is { } following)
        {
            var length = _head.End - _headOffset;
            if (left < length)
            {
                break;
            }

            left -= length;
            _segments.Give(_head);
            _head = following;
            _headOffset = 0;
        }

        _headOffset += (int)left;

        // In this order: a thread that finds all settled then finds whether all is sent.
        Volatile.Write(ref _sent, _sent + sent);
        Volatile.Write(ref _settled, _settled + sent);
    }

    /// <summary>
    /// Drops all committed bytes: they will not be sent. The sender and the writer may do so at the same time.
    /// </summary>
    internal void DropUnsent()
    {
        var committed = Volatile.Read(ref _committed);
        for (var settled = Volatile.Read(ref _settled); settled < committed;)
        {
            settled = Interlocked.CompareExchange(ref _settled, committed, settled);
        }
    }

    /// <summary>Returns the blocks of a chain.</summary>
    internal void Return(BufferSegment? segment)
    {
        while (segment is not null)
        {
            var following = segment.Following;
            _segments.Give(segment);
            segment = following;
        }
    }

    private BufferSegment Rent(MemoryPool<byte> pool, int sizeHint)
    {
        var segment = _segments.Take();
        segment.Rent(pool, Math.Max(sizeHint, StreamConnection.BlockSize));
        return segment;
    }
}
