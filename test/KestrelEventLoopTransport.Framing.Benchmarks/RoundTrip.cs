using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>Frames through a real pipe, written and read: unbatched, with a flush and a wait for each one.</summary>
public class RoundTrip
{
    private static readonly PipeOptions _inline = new(
        readerScheduler: PipeScheduler.Inline,
        writerScheduler: PipeScheduler.Inline,
        useSynchronizationContext: false);

    private byte[] _encoded = null!;
    private Protocol.HandWrittenLoop _loop = null!;
    private long _read;
    private Pipe _pipe = null!;
    private FrameWriter _writer = null!;

    [ParamsSource(nameof(Protocols))]
    public Protocol Protocol { get; set; } = null!;

    public IEnumerable<Protocol> Protocols => Protocol.All;

    [GlobalSetup(Target = nameof(WithHandWrittenLoop))]
    public void PrepareHandWrittenLoop()
    {
        Prepare();
        _ = ReadWithHandWrittenLoopAsync();
    }

    [GlobalSetup(Target = nameof(WithFrameReader))]
    public void PrepareFrameReader()
    {
        Prepare();
        _ = ReadWithFrameReaderAsync();
    }

    [Benchmark(Baseline = true)]
    public long WithHandWrittenLoop()
    {
        _pipe.Writer.Write(_encoded);
        _pipe.Writer.FlushAsync().GetAwaiter().GetResult();
        return _read;
    }

    [Benchmark]
    public long WithFrameReader()
    {
        _writer.Write(Frames.Content);
        _writer.FlushAsync().GetAwaiter().GetResult();
        return _read;
    }

    private void Prepare()
    {
        var output = new ArrayBufferWriter<byte>();
        Protocol.Codec.Encode(output, Frames.Content);
        _encoded = output.WrittenSpan.ToArray();
        _loop = Protocol.Loop;
        _pipe = new Pipe(_inline);
        _writer = new FrameWriter(_pipe.Writer, Protocol.Codec);
    }

    private async Task ReadWithHandWrittenLoopAsync()
    {
        while (true)
        {
            var result = await _pipe.Reader.ReadAsync();
            _read += _loop(result.Buffer, out var rest);
            _pipe.Reader.AdvanceTo(rest, result.Buffer.End);
        }
    }

    private async Task ReadWithFrameReaderAsync()
    {
        var reader = new FrameReader(_pipe.Reader, Protocol.Codec);
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out var frame))
            {
                _read += frame.Length;
            }
        }
    }
}
