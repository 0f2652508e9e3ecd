using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>
/// Asks a connection to close: when the client stops, as Kestrel asks its connections, or when the application wants
/// it, which may be after the end.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source has neither a timer nor a wait handle.")]
internal sealed class ClientLifetime : IConnectionLifetimeNotificationFeature
{
    private readonly CancellationTokenSource _closing = new();

    internal ClientLifetime() => ConnectionClosedRequested = _closing.Token;

    public CancellationToken ConnectionClosedRequested { get; set; }

    public void RequestClose() => _closing.Cancel();
}
