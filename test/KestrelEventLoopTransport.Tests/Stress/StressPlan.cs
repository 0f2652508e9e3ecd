using System.Buffers.Binary;

namespace KestrelEventLoopTransport.Tests.Stress;

/// <summary>
/// What one connection of the stress test does; the client sends it in front, so that both ends know it.
/// </summary>
internal sealed record StressPlan(StressKind Kind, int Stream, int Length, int ServerAbortAt, int ClientAbortAt)
{
    public const int HeaderLength = 20;

    public bool EndsInOrder => ServerAbortAt < 0 && ClientAbortAt < 0;

    /// <summary>The choices of one end of one connection: the same in every process that is given the seed.</summary>
    public static Random Choices(int seed, int stream, int end) => new(unchecked((seed * 31) + (stream * 2) + end));

    public static StressPlan Create(Random random, int stream)
    {
        var kind = (StressKind)random.Next(3);
        var length = random.Next(4) switch
        {
            0 => random.Next(100),
            1 => random.Next(10_000),
            _ => random.Next(300_000),
        };
        var abort = random.Next(10);
        return new StressPlan(
            kind, stream, length, abort == 0 ? random.Next(length + 1) : -1, abort == 1 ? random.Next(length + 1) : -1);
    }

    public static StressPlan Read(ReadOnlySpan<byte> header)
        => new(
            (StressKind)BinaryPrimitives.ReadInt32LittleEndian(header),
            BinaryPrimitives.ReadInt32LittleEndian(header[4..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[12..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[16..]));

    public byte[] ToHeader()
    {
        var header = new byte[HeaderLength];
        BinaryPrimitives.WriteInt32LittleEndian(header, (int)Kind);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), Stream);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), Length);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), ServerAbortAt);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), ClientAbortAt);
        return header;
    }

    /// <summary>Sometimes nothing, sometimes the back of the queue, sometimes a while.</summary>
    public static async ValueTask PauseAsync(Random random)
    {
        switch (random.Next(12))
        {
            case 0:
                await Task.Delay(random.Next(4));
                break;
            case 1 or 2:
                await Task.Yield();
                break;
            default:
                break;
        }
    }

    public static int ChunkSize(Random random)
        => random.Next(6) switch
        {
            0 => 1 + random.Next(3),
            1 => 4090 + random.Next(12),
            2 => 1 + random.Next(60_000),
            _ => 1 + random.Next(6000),
        };
}
