using System.Buffers;
using BenchmarkDotNet.Attributes;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>
/// Frames out of bytes that have arrived: batched, where one read returns 2000 of them in blocks of 4096 bytes.
/// </summary>
public class Reading
{
    private ReadOnlySequence<byte> _bytes;
    private FrameReader _reader = null!;
    private Protocol.HandWrittenLoop _loop = null!;

    [ParamsSource(nameof(Protocols))]
    public Protocol Protocol { get; set; } = null!;

    public IEnumerable<Protocol> Protocols => Protocol.All;

    [GlobalSetup]
    public void Prepare()
    {
        _bytes = Frames.Encode(Protocol.Codec);
        _reader = new FrameReader(new EndlessInput(_bytes), Protocol.Codec);
        _loop = Protocol.Loop;
        if (WithFrameReader() != Frames.Count * Frames.Length || WithHandWrittenLoop() != Frames.Count * Frames.Length)
        {
            throw new InvalidOperationException("Not all frames were read.");
        }
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Frames.Count)]
    public long WithHandWrittenLoop() => _loop(_bytes, out _);

    [Benchmark(OperationsPerInvoke = Frames.Count)]
    public long WithFrameReader()
    {
        var sum = 0L;
        while (_reader.TryRead(out var frame))
        {
            sum += frame.Length;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Frames.Count)]
    public long WithAwaitForeach() => EnumerateAsync().GetAwaiter().GetResult();

    private async ValueTask<long> EnumerateAsync()
    {
        var sum = 0L;
        var count = 0;
        await foreach (var frame in _reader)
        {
            sum += frame.Length;
            if (++count == Frames.Count)
            {
                break;
            }
        }

        return sum;
    }
}
