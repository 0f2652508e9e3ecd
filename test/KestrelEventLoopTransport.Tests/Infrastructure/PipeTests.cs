using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// Tests of one end of a pipe: of a connection of the transport, with each scheduling, and of a plain
/// <see cref="Pipe"/>, which is the model.
/// </summary>
public abstract class PipeTests : IAsyncDisposable
{
    private TestTransport? _transport;

    /// <summary>The connection; <see langword="null"/> where the test runs on the model.</summary>
    private protected ConnectedPair? Pair { get; private set; }

    private protected Pipe? Model { get; private set; }

    private protected abstract PipeOptions ModelOptions { get; }

    /// <summary>Whether the transport has opened the connection, and not accepted it.</summary>
    private protected virtual bool IsDialed => false;

    /// <summary>Opens the pipe of a test; one that is open already is closed.</summary>
    /// <param name="scheduling"><see langword="null"/> for the model.</param>
    private protected async Task OpenAsync(ApplicationScheduling? scheduling)
    {
        await CloseAsync();
        if (scheduling is null)
        {
            Model = new Pipe(ModelOptions);
        }
        else
        {
            _transport = new TestTransport(scheduling.Value);
            Pair = IsDialed ? await _transport.DialAsync() : await _transport.ConnectAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        GC.SuppressFinalize(this);
    }

    private async Task CloseAsync()
    {
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
        }

        (_transport, Pair, Model) = (null, null, null);
    }
}
