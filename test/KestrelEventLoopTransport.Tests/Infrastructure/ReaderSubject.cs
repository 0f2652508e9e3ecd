using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// A <see cref="PipeReader"/> and the means to feed it: the transport's, or a plain Pipe's as the model.
/// </summary>
internal sealed class ReaderSubject : IAsyncDisposable
{
    private readonly TestTransport? _transport;
    private readonly ConnectedPair? _pair;
    private readonly PipeWriter? _writer;

    private ReaderSubject(PipeReader reader, PipeWriter writer)
    {
        Reader = reader;
        _writer = writer;
    }

    private ReaderSubject(TestTransport transport, ConnectedPair pair)
    {
        Reader = pair.Input;
        _transport = transport;
        _pair = pair;
    }

    public PipeReader Reader { get; }

    public static async Task<ReaderSubject> CreateAsync(ApplicationScheduling? scheduling)
    {
        if (scheduling is null)
        {
            var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
            return new ReaderSubject(pipe.Reader, pipe.Writer);
        }

        var transport = new TestTransport(scheduling.Value);
        return new ReaderSubject(transport, await transport.ConnectAsync());
    }

    public async Task FeedAsync(byte[] bytes)
    {
        if (_pair is not null)
        {
            await _pair.Client.SendAsync(bytes);
        }
        else
        {
            await _writer!.WriteAsync(bytes).DefaultTimeout();
        }
    }

    public async Task EndAsync()
    {
        if (_pair is not null)
        {
            _pair.Client.ShutdownSend();
        }
        else
        {
            await _writer!.CompleteAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
        }
    }
}
