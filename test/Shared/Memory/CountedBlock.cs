using System.Buffers;

namespace KestrelEventLoopTransport.Testing;

/// <summary>One rental of a block. A new object per rental, so that a second return of an old one is seen.</summary>
internal sealed class CountedBlock(CountingMemoryPool pool, byte[] array) : IMemoryOwner<byte>
{
    private int _returned;

    public Memory<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _returned) != 0, this);
            return System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(array, 0, array.Length);
        }
    }

    public void Dispose()
    {
        if (Interlocked.Increment(ref _returned) != 1)
        {
            pool.Report($"A block was returned twice: {Environment.StackTrace}");
            return;
        }

        pool.Return(array);
    }
}
