using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Hosting;

/// <summary>
/// Pinned blocks of 4 KiB, as Kestrel's pool has them. Nothing is allocated per rental. At most 4 MiB are kept for
/// later; what is returned beyond that after a burst is left to the garbage collector.
/// </summary>
internal sealed class BlockMemoryPool : MemoryPool<byte>
{
    internal const int BlockSize = 4096;
    internal const int MaxFree = 1024;

    private readonly ConcurrentQueue<Block> _free = new();
    private int _freeCount;
    private volatile bool _isDisposed;

    public override int MaxBufferSize => BlockSize;

    /// <summary>How many blocks are kept.</summary>
    internal int FreeCount => Volatile.Read(ref _freeCount);

    /// <exception cref="ArgumentOutOfRangeException">More is asked for than a block has.</exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockSize);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (!_free.TryDequeue(out var block))
        {
            return new Block(this);
        }

        Interlocked.Decrement(ref _freeCount);
        return block;
    }

    /// <summary>Blocks that are still rented may be returned later.</summary>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        _free.Clear();
    }

    private void Return(Block block)
    {
        if (_isDisposed)
        {
            return;
        }

        // Counted before it is there for others: they never count below zero.
        if (Interlocked.Increment(ref _freeCount) > MaxFree)
        {
            Interlocked.Decrement(ref _freeCount);
            return;
        }

        _free.Enqueue(block);
    }

    private sealed class Block(BlockMemoryPool pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = MemoryMarshal.CreateFromPinnedArray(
            GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true), 0, BlockSize);

        public void Dispose() => pool.Return(this);
    }
}
