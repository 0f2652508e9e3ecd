using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Takes a whole frame before any byte of it goes to a shared writer or queue, because an encoder of the application
/// may throw in the middle. Each thread has one buffer. Another one is created only if an encoder itself sends frames.
/// </summary>
internal sealed class EncodeBuffer : IBufferWriter<byte>
{
    private const int MinCapacity = 1024;

    // A buffer that has grown beyond this goes back to the pool.
    private const int MaxKeptCapacity = 64 * 1024;

    [ThreadStatic]
    private static EncodeBuffer? _free;

    private byte[] _bytes = [];
    private int _count;

    private EncodeBuffer()
    {
    }

    internal ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _count);

    internal static EncodeBuffer Rent()
    {
        var buffer = _free ?? new EncodeBuffer();
        _free = null;
        return buffer;
    }

    internal void Clear() => _count = 0;

    internal void Return()
    {
        Clear();
        if (_bytes.Length > MaxKeptCapacity)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = [];
        }

        _free = this;
    }

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - _count);
        _count += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(_count);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(_count);
    }

    private void Reserve(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        var needed = (long)_count + Math.Max(sizeHint, 1);
        if (needed <= _bytes.Length)
        {
            return;
        }

        if (needed > Array.MaxLength)
        {
            throw new InvalidOperationException($"A frame of more than {Array.MaxLength} bytes cannot be encoded.");
        }

        var capacity = Math.Min(Math.Max(needed, Math.Max(2L * _bytes.Length, MinCapacity)), Array.MaxLength);
        var larger = ArrayPool<byte>.Shared.Rent((int)capacity);
        Written.CopyTo(larger);
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = larger;
    }
}
