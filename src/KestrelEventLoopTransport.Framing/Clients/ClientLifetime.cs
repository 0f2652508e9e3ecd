using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>Asks a connection to close when the client stops, as Kestrel asks its connections.</summary>
internal sealed class ClientLifetime(CancellationTokenSource closing) : IConnectionLifetimeNotificationFeature
{
    public CancellationToken ConnectionClosedRequested { get; set; } = closing.Token;

    public void RequestClose() => closing.Cancel();
}
