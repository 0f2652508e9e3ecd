namespace KestrelEventLoopTransport.Testing;

/// <summary>Bytes that tell where they belong: each is a function of its stream and of its offset in it.</summary>
internal static class Pattern
{
    public static byte At(int stream, long offset)
    {
        var x = ((ulong)(uint)stream << 32) ^ (ulong)offset;
        x *= 0x9E3779B97F4A7C15;
        return (byte)(x >> 53);
    }

    public static void Fill(Span<byte> target, int stream, long offset)
    {
        for (var i = 0; i < target.Length; i++)
        {
            target[i] = At(stream, offset + i);
        }
    }

    public static byte[] Create(int length, int stream = 0, long offset = 0)
    {
        var bytes = new byte[length];
        Fill(bytes, stream, offset);
        return bytes;
    }

    /// <summary>Index of the first byte that does not belong there, or -1.</summary>
    public static int FirstMismatch(ReadOnlySpan<byte> bytes, int stream, long offset)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != At(stream, offset + i))
            {
                return i;
            }
        }

        return -1;
    }

    public static void AssertMatches(ReadOnlySpan<byte> bytes, int stream = 0, long offset = 0)
        => Assert.Equal(-1, FirstMismatch(bytes, stream, offset));
}
