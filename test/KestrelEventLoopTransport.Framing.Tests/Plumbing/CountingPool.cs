using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>A pool of blocks of 4096 bytes, as Kestrel's, that knows how many were out at the same time.</summary>
internal sealed class CountingPool : MemoryPool<byte>
{
    private const int BlockSize = 4096;

    private int _outstanding;
    private int _most;

    public long MostBytes => (long)_most * BlockSize;

    public override int MaxBufferSize => BlockSize;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        var outstanding = Interlocked.Increment(ref _outstanding);
        InterlockedMax(ref _most, outstanding);
        return new Block(this);
    }

    protected override void Dispose(bool disposing)
    {
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var current = target; current < value;)
        {
            current = Interlocked.CompareExchange(ref target, value, current) is var seen && seen == current ? value : seen;
        }
    }

    private sealed class Block(CountingPool pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = new byte[BlockSize];

        public void Dispose() => Interlocked.Decrement(ref pool._outstanding);
    }
}
