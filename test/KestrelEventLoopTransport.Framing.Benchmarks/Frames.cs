using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>What all benchmarks measure with: 32 bytes of text, many times.</summary>
internal static class Frames
{
    public const int Count = 2000;
    public const int Length = 32;
    public const int MaxLength = 1024;

    // As Kestrel's blocks.
    private const int BlockSize = 4096;

    public static byte[] Content { get; } = "The quick brown fox jumps over a"u8.ToArray();

    public static ReadOnlySequence<byte> Encode(FrameCodec codec)
    {
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Count; i++)
        {
            codec.Encode(output, Content);
        }

        return Block.Cut(output.WrittenMemory, BlockSize);
    }
}
