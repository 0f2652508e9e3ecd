using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Counts blocks, as its base pool does, and has none when told so.</summary>
internal sealed class FailingMemoryPoolFactory(
    CountingMemoryPoolFactory pools, Func<bool> fails) : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool(pools.Create(options), fails);

    private sealed class Pool(MemoryPool<byte> pool, Func<bool> fails) : MemoryPool<byte>
    {
        public override int MaxBufferSize => pool.MaxBufferSize;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
            => fails() ? throw new FailingMemoryException() : pool.Rent(minBufferSize);

        protected override void Dispose(bool disposing) => pool.Dispose();
    }
}
