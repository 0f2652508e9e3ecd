namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A stream of reproducible bytes of any length that is never held in memory.
/// No two of its MiB are equal, so lost, repeated or swapped blocks change its hash.
/// </summary>
internal sealed class PatternStream(long length) : Stream
{
    private const int RotationPerBlock = 8191;
    private static readonly byte[] _block = CreateBlock();
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        var total = (int)Math.Min(buffer.Length, length - _position);
        for (var filled = 0; filled < total;)
        {
            var (block, offset) = Math.DivRem(_position, _block.Length);
            var start = (int)((offset + block * RotationPerBlock) % _block.Length);
            var untilBlockEnd = _block.Length - Math.Max(start, (int)offset);
            var count = Math.Min(total - filled, untilBlockEnd);
            _block.AsSpan(start, count).CopyTo(buffer[filled..]);
            filled += count;
            _position += count;
        }

        return total;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        => ValueTask.FromResult(Read(buffer.Span));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private static byte[] CreateBlock()
    {
        var block = new byte[1024 * 1024];
        new Random(20_260_101).NextBytes(block);
        return block;
    }
}
