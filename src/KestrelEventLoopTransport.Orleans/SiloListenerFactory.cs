using System.Net;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Orleans;

/// <summary>
/// Binds both endpoints of a silo, each with its own options. Which of the two Orleans binds is told by the port,
/// because the keys of its services tell nothing. A silo whose gateway has port 0 has none.
/// </summary>
/// <param name="silo">For the endpoint of other silos.</param>
/// <param name="gateway">For the endpoint of clients.</param>
/// <param name="endpoints">The silo's endpoints.</param>
internal sealed class SiloListenerFactory(
    EventLoopTransportFactory silo,
    EventLoopTransportFactory gateway,
    global::Orleans.Configuration.EndpointOptions endpoints) : IConnectionListenerFactory
{
    private int GatewayPort => endpoints.GatewayListeningEndpoint?.Port ?? endpoints.GatewayPort;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        => endpoint is IPEndPoint { Port: var port and not 0 } && port == GatewayPort
            ? gateway.BindAsync(endpoint, cancellationToken)
            : silo.BindAsync(endpoint, cancellationToken);
}
