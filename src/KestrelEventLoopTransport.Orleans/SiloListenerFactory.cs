using System.Net;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Orleans;

/// <summary>
/// Binds both endpoints of a silo, each with its own options. Which of the two Orleans binds is told by the endpoint,
/// because the keys of its services tell nothing.
/// </summary>
/// <remarks>
/// Orleans stops no listener of a silo whose start has failed, for instance because the other port is in use. The
/// container of the silo's services disposes the factory, and the factory what it has bound.
/// </remarks>
/// <param name="silo">For the endpoint of other silos.</param>
/// <param name="gateway">For the endpoint of clients.</param>
/// <param name="endpoints">The silo's endpoints.</param>
internal sealed class SiloListenerFactory(
    EventLoopTransportFactory silo,
    EventLoopTransportFactory gateway,
    global::Orleans.Configuration.EndpointOptions endpoints) : IConnectionListenerFactory, IAsyncDisposable, IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<IConnectionListener> _listeners = [];
    private bool _isDisposed;

    public async ValueTask<IConnectionListener> BindAsync(
        EndPoint endpoint,
        CancellationToken cancellationToken = default)
    {
        var factory = endpoint.Equals(GetGateway()) ? gateway : silo;
        var listener = await factory.BindAsync(endpoint, cancellationToken).ConfigureAwait(false);
        if (!TryAdd(listener))
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            throw new ObjectDisposedException(nameof(SiloListenerFactory));
        }

        return listener;
    }

    public async ValueTask DisposeAsync()
    {
        IConnectionListener[] listeners;
        lock (_lock)
        {
            _isDisposed = true;
            listeners = [.. _listeners];
            _listeners.Clear();
        }

        foreach (var listener in listeners)
        {
            // Does nothing to one that Orleans has stopped.
            await listener.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>False if the factory was disposed while it bound the listener: then the caller disposes that.</summary>
    private bool TryAdd(IConnectionListener listener)
    {
        lock (_lock)
        {
            if (!_isDisposed)
            {
                _listeners.Add(listener);
            }

            return !_isDisposed;
        }
    }

    // What Orleans' GatewayConnectionListener binds. Without an endpoint and a port, there is no gateway.
    private IPEndPoint? GetGateway()
        => endpoints.GatewayListeningEndpoint
            ?? (endpoints.GatewayPort == 0 ? null : new(endpoints.AdvertisedIPAddress, endpoints.GatewayPort));
}
