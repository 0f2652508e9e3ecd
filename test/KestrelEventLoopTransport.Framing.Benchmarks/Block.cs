using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

internal sealed class Block : ReadOnlySequenceSegment<byte>
{
    private Block(ReadOnlyMemory<byte> memory, long runningIndex)
    {
        Memory = memory;
        RunningIndex = runningIndex;
    }

    public static ReadOnlySequence<byte> Cut(ReadOnlyMemory<byte> bytes, int size)
    {
        var first = new Block(bytes[..Math.Min(size, bytes.Length)], 0);
        var last = first;
        for (var i = size; i < bytes.Length; i += size)
        {
            var next = new Block(bytes.Slice(i, Math.Min(size, bytes.Length - i)), i);
            last.Next = next;
            last = next;
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }
}
