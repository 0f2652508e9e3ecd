using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>Passes datagrams to asynchronous code, which runs on the thread pool.</summary>
/// <param name="run">The application's code.</param>
/// <param name="logger">Logs what that code throws.</param>
internal sealed class ReceivingHandler(Func<DatagramReceiver, CancellationToken, Task> run, ILogger logger)
    : DatagramHandler, IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private DatagramReceiver? _receiver;
    private Task _running = Task.CompletedTask;

    public override void OnStarted(DatagramEndpoint endpoint)
    {
        var receiver = new DatagramReceiver(endpoint);
        _receiver = receiver;
        _running = Task.Run(() => RunAsync(receiver));
    }

    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        foreach (ref readonly var datagram in datagrams)
        {
            _receiver!.Add(datagram);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _receiver?.Complete();
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync(DatagramReceiver receiver)
    {
        try
        {
            await run(receiver, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The endpoint has stopped.
        }
        catch (Exception exception)
        {
            DatagramLog.ReceiverFailed(logger, receiver.Endpoint.EndPoint, exception);
        }
    }
}
