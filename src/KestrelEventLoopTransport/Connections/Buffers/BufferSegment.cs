using System.Buffers;

namespace KestrelEventLoopTransport.Connections.Buffers;

/// <summary>
/// One block of a connection's input or output, pinned while it is rented so that system calls can use its address.
/// </summary>
internal sealed unsafe class BufferSegment : ReadOnlySequenceSegment<byte>
{
    private IMemoryOwner<byte>? _owner;
    private MemoryHandle _pin;
    private BufferSegment? _following;

    /// <summary>The whole block.</summary>
    internal Memory<byte> Block { get; private set; }

    /// <summary>Address of the block's first byte.</summary>
    internal byte* Address { get; private set; }

    /// <summary>Number of bytes that are filled.</summary>
    internal int End { get; private set; }

    internal int Free => Block.Length - End;

    /// <summary>
    /// In the stack of a <see cref="SegmentCache"/>, the number of segments from here down. A bound, not a count:
    /// givers race, and it may be a little off.
    /// </summary>
    internal int Depth { get; set; }

    /// <summary>
    /// The segment behind this one. The writer of an output publishes it after <see cref="End"/> has its final value,
    /// and another thread may be reading along.
    /// </summary>
    internal BufferSegment? Following
    {
        get => Volatile.Read(ref _following);
        set
        {
            Next = value;
            Volatile.Write(ref _following, value);
        }
    }

    /// <summary>Rents the block. A size that the pool does not have comes from the shared array pool.</summary>
    internal void Rent(MemoryPool<byte> pool, int size)
    {
        _owner = size <= pool.MaxBufferSize ? pool.Rent(size) : MemoryPool<byte>.Shared.Rent(size);
        Block = _owner.Memory;
        _pin = Block.Pin();
        Address = (byte*)_pin.Pointer;
        End = 0;
    }

    /// <summary>Sets what is filled, for a writer.</summary>
    internal void SetEnd(int end) => End = end;

    /// <summary>Sets what is filled, for the reader of a sequence.</summary>
    internal void SetReadable(int end, long runningIndex)
    {
        End = end;
        RunningIndex = runningIndex;
        Memory = Block[..end];
    }

    /// <summary>Gives the block back. Only the first of two calls does, whichever threads make them.</summary>
    internal void Return()
    {
        var owner = Interlocked.Exchange(ref _owner, null);
        if (owner is not null)
        {
            _pin.Dispose();
            _pin = default;
            Address = null;
            Block = default;
            Memory = default;
            Following = null;
            owner.Dispose();
        }
    }
}
