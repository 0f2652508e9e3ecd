using System.Buffers;
using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Pinned 4096-byte blocks, counted. A returned block is filled with poison and rests in a queue before it is rented
/// again: a write after the return disturbs the poison, a read after the return yields it.
/// </summary>
internal sealed class CountingMemoryPool : MemoryPool<byte>
{
    public const int BlockSize = 4096;

    private const byte Poison = 0xDD;
    private const int Resting = 64;

    private readonly ConcurrentQueue<byte[]> _free = new();
    private readonly ConcurrentQueue<string> _errors = new();
    private long _rented;
    private long _returned;
    private volatile bool _disposed;

    public override int MaxBufferSize => BlockSize;

    public long Rented => Interlocked.Read(ref _rented);

    public long Outstanding => Interlocked.Read(ref _rented) - Interlocked.Read(ref _returned);

    public bool IsDisposed => _disposed;

    public IEnumerable<string> Errors => _errors;

    public override IMemoryOwner<byte> Rent(int size = -1)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, BlockSize);

        Interlocked.Increment(ref _rented);
        if (_free.Count > Resting && _free.TryDequeue(out var array))
        {
            CheckPoison(array);
        }
        else
        {
            array = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
        }

        return new CountedBlock(this, array);
    }

    public void Return(byte[] array)
    {
        array.AsSpan().Fill(Poison);
        _free.Enqueue(array);
        Interlocked.Increment(ref _returned);
    }

    public void Report(string error) => _errors.Enqueue(error);

    public void CheckFreeBlocks()
    {
        foreach (var array in _free)
        {
            CheckPoison(array);
        }
    }

    protected override void Dispose(bool disposing) => _disposed = true;

    private void CheckPoison(byte[] array)
    {
        var at = array.AsSpan().IndexOfAnyExcept(Poison);
        if (at >= 0)
        {
            Report($"A block was written after its return, at offset {at}.");
        }
    }
}
