using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The <see cref="IMemoryPoolFactory{T}"/> that tests inject: contract 3 is checked at the end of each of them.
/// </summary>
internal sealed class CountingMemoryPoolFactory : IMemoryPoolFactory<byte>
{
    private readonly ConcurrentQueue<(CountingMemoryPool Pool, MemoryPoolOptions? Options)> _created = new();

    public IReadOnlyList<CountingMemoryPool> Pools => [.. _created.Select(static c => c.Pool)];

    public IReadOnlyList<MemoryPoolOptions?> Options => [.. _created.Select(static c => c.Options)];

    public long Outstanding => _created.Sum(static c => c.Pool.Outstanding);

    public long Rented => _created.Sum(static c => c.Pool.Rented);

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null)
    {
        var pool = new CountingMemoryPool();
        _created.Enqueue((pool, options));
        return pool;
    }

    /// <summary>Fails unless every block comes back, once and unharmed.</summary>
    public async Task AssertAllReturnedAsync()
    {
        await Poll.UntilAsync(() => Outstanding == 0, () => $"{Outstanding} of {Rented} rented blocks are missing.");
        foreach (var pool in Pools)
        {
            pool.CheckFreeBlocks();
            Assert.Empty(pool.Errors);
        }
    }
}
