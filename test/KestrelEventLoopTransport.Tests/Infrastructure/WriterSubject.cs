using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// A <see cref="PipeWriter"/> and the other end of it: the transport's, or a plain Pipe's as the model.
/// </summary>
internal sealed class WriterSubject : IAsyncDisposable
{
    private readonly TestTransport? _transport;
    private readonly ConnectedPair? _pair;
    private readonly PipeReader? _reader;

    private WriterSubject(PipeWriter writer, PipeReader reader)
    {
        Writer = writer;
        _reader = reader;
    }

    private WriterSubject(TestTransport transport, ConnectedPair pair)
    {
        Writer = pair.Output;
        _transport = transport;
        _pair = pair;
    }

    public PipeWriter Writer { get; }

    public static async Task<WriterSubject> CreateAsync(ApplicationScheduling? scheduling)
    {
        if (scheduling is null)
        {
            var pipe = new Pipe(new PipeOptions(useSynchronizationContext: false));
            return new WriterSubject(pipe.Writer, pipe.Reader);
        }

        var transport = new TestTransport(scheduling.Value);
        return new WriterSubject(transport, await transport.ConnectAsync());
    }

    public async Task<byte[]> ReceiveAsync(int count)
    {
        if (_pair is not null)
        {
            return await _pair.Client.ReceiveExactlyAsync(count);
        }

        var result = await _reader!.ReadAtLeastAsync(count).DefaultTimeout();
        var bytes = result.Buffer.Slice(0, count).ToArray();
        _reader.AdvanceTo(result.Buffer.GetPosition(count));
        return bytes;
    }

    public async Task<byte[]> ReceiveToEndAsync()
    {
        if (_pair is not null)
        {
            return await _pair.Client.ReceiveToEndAsync();
        }

        using var all = new MemoryStream();
        await _reader!.CopyToAsync(all).DefaultTimeout();
        return all.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
        }
    }
}
