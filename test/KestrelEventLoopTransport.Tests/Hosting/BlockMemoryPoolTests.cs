using System.Buffers;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Hosting;

namespace KestrelEventLoopTransport.Tests.Hosting;

/// <summary>The memory pool of a process without Kestrel.</summary>
public sealed class BlockMemoryPoolTests
{
    [Fact]
    public void A_block_is_rented_again_after_its_return()
    {
        using var pool = new BlockMemoryPool();
        var block = pool.Rent();
        Assert.Equal(BlockMemoryPool.BlockSize, block.Memory.Length);

        block.Dispose();

        Assert.Equal(1, pool.FreeCount);
        Assert.Same(block, pool.Rent(BlockMemoryPool.BlockSize));
        Assert.NotSame(block, pool.Rent());
        Assert.Equal(0, pool.FreeCount);
    }

    [Fact]
    public void What_a_burst_leaves_is_bounded()
    {
        using var pool = new BlockMemoryPool();
        var blocks = new List<IMemoryOwner<byte>>();
        for (var i = 0; i < BlockMemoryPool.MaxFree + 10; i++)
        {
            blocks.Add(pool.Rent());
        }

        blocks.ForEach(static block => block.Dispose());

        Assert.Equal(BlockMemoryPool.MaxFree, pool.FreeCount);
    }

    [Fact]
    public void More_than_a_block_is_not_there()
    {
        using var pool = new BlockMemoryPool();

        Assert.Equal(BlockMemoryPool.BlockSize, pool.MaxBufferSize);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(BlockMemoryPool.BlockSize + 1));
    }

    [Fact]
    public void A_block_may_come_back_after_the_disposal()
    {
        var pool = new BlockMemoryPool();
        var block = pool.Rent();

        pool.Dispose();
        block.Dispose();

        Assert.Equal(0, pool.FreeCount);
        Assert.Throws<ObjectDisposedException>(() => pool.Rent());
    }

    // The kernel writes into it while the garbage collector runs.
    [Fact]
    public unsafe void A_block_does_not_move()
    {
        using var pool = new BlockMemoryPool();
        var block = pool.Rent();
        var before = (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(
            ref MemoryMarshal.GetReference(block.Memory.Span));

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);

        Assert.Equal(before, (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(
            ref MemoryMarshal.GetReference(block.Memory.Span)));
    }
}
