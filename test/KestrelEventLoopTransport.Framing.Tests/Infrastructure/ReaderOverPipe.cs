using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>Tests of a <see cref="FrameReader"/> that reads text from a pipe.</summary>
public abstract class ReaderOverPipe
{
    private protected Pipe Pipe { get; } = new();

    private protected FrameReader CreateReader(int max = 100) => new(Pipe.Reader, FrameCodec.Line(max));

    private protected async Task WriteAsync(string text) => await Pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(text));

    private protected static string Text(in ReadOnlySequence<byte> frame) => Encoding.UTF8.GetString(frame);
}
