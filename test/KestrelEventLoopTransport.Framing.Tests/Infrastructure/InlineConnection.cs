using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Text;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// A connection without sockets, on the peer's thread: what the peer sends has been handled, and answered, when sending
/// returns.
/// </summary>
internal sealed class InlineConnection
{
    private static readonly PipeOptions _inline = new(
        readerScheduler: PipeScheduler.Inline,
        writerScheduler: PipeScheduler.Inline,
        useSynchronizationContext: false);

    private readonly Pipe _requests = new(_inline);
    private readonly Pipe _answers = new(_inline);
    private readonly FrameCodec _codec;

    public InlineConnection(FrameCodec codec) => _codec = codec;

    public Task RunAsync(
        FrameHandler handler,
        FrameHandlerOptions? options = null,
        TimeProvider? time = null,
        IServiceProvider? services = null)
    {
        var context = new DefaultConnectionContext(
            "id", new Duplex(_requests.Reader, _answers.Writer), new Duplex(_answers.Reader, _requests.Writer));
        context.Features.Set<IFramingFeature>(new FramingFeature(context, _codec, _codec, null));
        var endpoint = new FrameEndpoint(
            handler, options ?? new(), services!, NullLogger.Instance, time ?? TimeProvider.System);
        return new FrameConnection(context, endpoint).RunAsync();
    }

    /// <summary>Returns the length of the answers that are there when the bytes have been sent.</summary>
    public long Exchange(byte[] bytes)
    {
        Send(bytes);
        if (!_answers.Reader.TryRead(out var result))
        {
            return 0;
        }

        var length = result.Buffer.Length;
        _answers.Reader.AdvanceTo(result.Buffer.End);
        return length;
    }

    public string Exchange(string text)
    {
        Send(Encoding.Latin1.GetBytes(text));
        if (!_answers.Reader.TryRead(out var result))
        {
            return "";
        }

        var answers = Encoding.Latin1.GetString(result.Buffer);
        _answers.Reader.AdvanceTo(result.Buffer.End);
        return answers;
    }

    public void End() => _requests.Writer.Complete();

    public void StopReading() => _answers.Reader.Complete();

    [SuppressMessage("Reliability", "CA2012", Justification = "It has to be complete already.")]
    private void Send(byte[] bytes) => Assert.True(_requests.Writer.WriteAsync(bytes).IsCompletedSuccessfully);

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
