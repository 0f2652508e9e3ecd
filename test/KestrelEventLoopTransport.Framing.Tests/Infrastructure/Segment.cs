using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

internal sealed class Segment : ReadOnlySequenceSegment<byte>
{
    private readonly byte[] _bytes;

    private Segment(byte[] bytes, long runningIndex)
    {
        _bytes = bytes;
        Memory = bytes;
        RunningIndex = runningIndex;
    }

    /// <summary>Copies bytes to segments of a size, with an empty one here and there.</summary>
    public static ReadOnlySequence<byte> CreateSequence(ReadOnlySpan<byte> bytes, int size, out Segment first)
    {
        first = new Segment(bytes[..Math.Min(size, bytes.Length)].ToArray(), 0);
        var last = first;
        for (var i = size; i < bytes.Length; i += size)
        {
            if (i / size % 3 == 1)
            {
                last = last.Append([]);
            }

            last = last.Append(bytes.Slice(i, Math.Min(size, bytes.Length - i)).ToArray());
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>Overwrites the bytes from here on, so that a reader that still uses them fails.</summary>
    public void Poison()
    {
        for (var segment = this; segment is not null; segment = (Segment?)segment.Next)
        {
            segment._bytes.AsSpan().Fill(0xDD);
        }
    }

    private Segment Append(byte[] bytes)
    {
        var next = new Segment(bytes, RunningIndex + Memory.Length);
        Next = next;
        return next;
    }
}
