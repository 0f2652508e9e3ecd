namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>How bytes reach the reader: cut into reads, in segments of a size, and so on.</summary>
internal sealed record Chunking(
    int SegmentSize, bool EndsWithLastChunk, bool IsAsynchronous, ReadingStyle Style, params int[] Cuts)
{
    public static IEnumerable<Chunking> AllOf(int length)
    {
        int[] segmentSizes = [1, 2, 3, 5, 16, 4096];
        foreach (var segmentSize in segmentSizes)
        {
            foreach (var style in Enum.GetValues<ReadingStyle>())
            {
                yield return new(segmentSize, true, false, style);
                yield return new(segmentSize, false, true, style, [.. Enumerable.Range(1, Math.Max(0, length - 1))]);
            }
        }

        for (var cut = 1; cut < length; cut++)
        {
            yield return new(
                segmentSizes[cut % segmentSizes.Length], cut % 2 == 0, false, (ReadingStyle)(cut % 3), cut);
            yield return new(4096, cut % 2 == 1, false, (ReadingStyle)((cut + 1) % 3), cut);
        }
    }

    public static Chunking Create(Random random, int length)
    {
        var cuts = new int[random.Next(4) == 0 ? random.Next(length + 1) : random.Next(5)];
        for (var i = 0; i < cuts.Length; i++)
        {
            cuts[i] = random.Next(length + 1);
        }

        Array.Sort(cuts);
        return new(
            random.Next(3) == 0 ? 4096 : random.Next(1, 20),
            random.Next(2) == 0,
            random.Next(8) == 0,
            (ReadingStyle)random.Next(3),
            cuts);
    }

    public ChunkedInput CreateInput(byte[] bytes)
    {
        var chunks = new List<byte[]>();
        var start = 0;
        foreach (var cut in Cuts)
        {
            chunks.Add(bytes[start..cut]);
            start = cut;
        }

        chunks.Add(bytes[start..]);
        return new ChunkedInput(chunks, SegmentSize, EndsWithLastChunk, IsAsynchronous);
    }

    public override string ToString()
        => $"segments of {SegmentSize}, {Style}, {(IsAsynchronous ? "asynchronous, " : "")}"
            + $"{(EndsWithLastChunk ? "end with the last chunk" : "end by itself")}, cut at [{string.Join(' ', Cuts)}]";
}
