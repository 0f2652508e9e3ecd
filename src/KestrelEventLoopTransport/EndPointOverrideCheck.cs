using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport;

/// <summary>Warns of options for endpoints that the server does not have, once it has bound those that it has.</summary>
internal sealed class EndPointOverrideCheck(IEnumerable<IConnectionListenerFactory> factories) : IHostedLifecycleService
{
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        foreach (var factory in factories.OfType<EventLoopTransportFactory>())
        {
            factory.WarnOfUnusedOverrides();
        }
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
