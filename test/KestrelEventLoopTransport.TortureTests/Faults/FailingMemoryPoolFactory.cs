using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>Counts blocks, as its base pool does, and has none now and then.</summary>
internal sealed class FailingMemoryPoolFactory(CountingMemoryPoolFactory pools, int oneIn) : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool(pools.Create(options), oneIn);

    private sealed class Pool(MemoryPool<byte> pool, int oneIn) : MemoryPool<byte>
    {
        public override int MaxBufferSize => pool.MaxBufferSize;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
            => Random.Shared.Next(oneIn) == 0 ? throw new FailingMemoryException() : pool.Rent(minBufferSize);

        protected override void Dispose(bool disposing) => pool.Dispose();
    }
}
