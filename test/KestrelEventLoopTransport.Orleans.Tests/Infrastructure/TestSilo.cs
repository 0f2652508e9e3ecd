using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;
using Orleans.Runtime;

namespace KestrelEventLoopTransport.Orleans.Tests.Infrastructure;

/// <summary>A silo in this process. Disposing it stops it gracefully.</summary>
internal sealed class TestSilo : IAsyncDisposable
{
    private readonly IHost _host;
    private readonly CountingMemoryPoolFactory _pools = new();

    public TestSilo(ApplicationScheduling? scheduling, string cluster, IPEndPoint? primary, ClusterSettings settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.AddProvider(Logs).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(_pools);
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(Port, GatewayPort, primary, cluster, cluster);
            silo.UseTransport(scheduling);
            settings.Silo?.Invoke(silo);
        });
        _host = builder.Build();
    }

    public int Port { get; } = FreePort.Next();

    public int GatewayPort { get; } = FreePort.Next();

    public bool HasEnded { get; private set; }

    public CapturedLogs Logs { get; } = new(TestCluster.IsOurs);

    public IServiceProvider Services => _host.Services;

    public SiloAddress Address => Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    public EventLoopTransportMonitor Monitor => Services.GetRequiredService<EventLoopTransportMonitor>();

    public EventLoopEndpoint EndpointOf(int port)
        => Monitor.Endpoints.Single(endpoint => ((IPEndPoint)endpoint.EndPoint).Port == port);

    /// <summary>Whether it knows another silo and its grains: it can place one there.</summary>
    public bool Knows(SiloAddress other)
        => Services.GetRequiredService<ISiloStatusOracle>().GetApproximateSiloStatus(other) == SiloStatus.Active
            && Services.GetRequiredService<IClusterManifestProvider>().Current.Silos.ContainsKey(other);

    public Task StartAsync() => _host.StartAsync().DefaultTimeout();

    public Task StopAsync() => EndAsync(CancellationToken.None);

    /// <summary>Ends without a word to the others: no step of a graceful stop is waited for.</summary>
    public Task KillAsync() => EndAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _pools.AssertAllReturnedAsync();
    }

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        if (HasEnded)
        {
            return;
        }

        HasEnded = true;
        await _host.StopAsync(cancellationToken).DefaultTimeout();
        if (_host is IAsyncDisposable host)
        {
            await host.DisposeAsync().DefaultTimeout();
        }
    }
}
