using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

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
        Note(Interlocked.Increment(ref _outstanding));
        return new Block(this);
    }

    protected override void Dispose(bool disposing)
    {
    }

    private void Note(int outstanding)
    {
        var most = Volatile.Read(ref _most);
        while (most < outstanding)
        {
            var seen = Interlocked.CompareExchange(ref _most, outstanding, most);
            if (seen == most)
            {
                return;
            }

            most = seen;
        }
    }

    private sealed class Block(CountingPool pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = new byte[BlockSize];

        public void Dispose() => Interlocked.Decrement(ref pool._outstanding);
    }
}
