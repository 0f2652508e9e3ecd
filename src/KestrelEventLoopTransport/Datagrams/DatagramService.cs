using System.Net;
using KestrelEventLoopTransport.Options.Validation;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>Starts and stops a datagram endpoint with the host.</summary>
/// <param name="name">What messages call the endpoint.</param>
/// <param name="endPoint">The address to bind to.</param>
/// <param name="host">Has the loops.</param>
/// <param name="createHandler">Creates the application's code.</param>
/// <param name="configuration">Reads the options.</param>
/// <param name="metrics">Shows what the endpoint counts.</param>
/// <param name="configure">Sets the options in code.</param>
internal sealed class DatagramService(
    string name,
    EndPoint endPoint,
    IDatagramHost host,
    Func<DatagramHandler> createHandler,
    DatagramConfiguration configuration,
    DatagramMetrics metrics,
    Action<DatagramEndpointOptions>? configure) : IHostedService, IAsyncDisposable, IDisposable
{
    private DatagramEndpoint? _endpoint;
    private DatagramHandler? _handler;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var options = new DatagramEndpointOptions();
        configuration.Apply(endPoint, options);
        configure?.Invoke(options);
        DatagramEndpointOptionsValidator.Check(name, endPoint, options);
        _handler = createHandler();
        try
        {
            _endpoint = Bind(options, _handler);
            _handler.OnStarted(_endpoint);
            _endpoint.Start();
            host.Add(_endpoint);
            metrics.Add(_endpoint);
        }
        catch
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        var endpoint = Interlocked.Exchange(ref _endpoint, null);
        var handler = Interlocked.Exchange(ref _handler, null);
        try
        {
            if (endpoint is not null)
            {
                host.Remove(endpoint);
                await endpoint.StopAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
                metrics.Remove(endpoint);
            }

            await DisposeAsync(handler).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The application's code has not returned in time. Its endpoint ends when it does, and it is left alone.
        }
    }

    /// <summary>A host that did not start has stopped nothing.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);

    public void Dispose() => _ = StopAsync(CancellationToken.None);

    private DatagramEndpoint Bind(DatagramEndpointOptions options, DatagramHandler handler)
    {
        var group = host.AcquireGroup();
        try
        {
            return DatagramEndpoint.Bind(endPoint, options, handler, group);
        }
        catch
        {
            group.Release();
            throw;
        }
    }

    private static async ValueTask DisposeAsync(DatagramHandler? handler)
    {
        if (handler is IAsyncDisposable asyncDisposable)
        {
            await asyncDisposable.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            (handler as IDisposable)?.Dispose();
        }
    }
}
