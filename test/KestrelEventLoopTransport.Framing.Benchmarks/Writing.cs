using System.Buffers;
using BenchmarkDotNet.Attributes;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>Frames into a buffer.</summary>
public class Writing
{
    private readonly ArrayBufferWriter<byte> _output = new(Frames.Count * (Frames.Length + 16) * 2);

    [ParamsSource(nameof(Protocols))]
    public Protocol Protocol { get; set; } = null!;

    public IEnumerable<Protocol> Protocols => Protocol.All;

    [Benchmark(Baseline = true, OperationsPerInvoke = Frames.Count)]
    public int CopyOnly()
    {
        _output.ResetWrittenCount();
        for (var i = 0; i < Frames.Count; i++)
        {
            _output.Write(Frames.Content);
        }

        return _output.WrittenCount;
    }

    [Benchmark(OperationsPerInvoke = Frames.Count)]
    public int Encode()
    {
        _output.ResetWrittenCount();
        for (var i = 0; i < Frames.Count; i++)
        {
            Protocol.Codec.Encode(_output, Frames.Content);
        }

        return _output.WrittenCount;
    }
}
