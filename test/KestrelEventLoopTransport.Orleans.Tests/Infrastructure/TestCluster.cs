using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace KestrelEventLoopTransport.Orleans.Tests.Infrastructure;

/// <summary>
/// Silos and a client in this process. Disposing it stops all, and checks that all blocks came back and that ours has
/// logged nothing above Information.
/// </summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private readonly string _name = Guid.NewGuid().ToString("N");
    private readonly ClusterSettings _settings;
    private readonly List<TestSilo> _silos = [];
    private readonly CountingMemoryPoolFactory _pools = new();
    private readonly CapturedLogs _logs = new(IsOurs);
    private IHost? _client;

    private TestCluster(ClusterSettings settings) => _settings = settings;

    public IReadOnlyList<TestSilo> Silos => _silos;

    public IServiceProvider ClientServices => _client!.Services;

    /// <summary>Of the client outside the silos.</summary>
    public IGrainFactory Grains => ClientServices.GetRequiredService<IClusterClient>();

    public static async Task<TestCluster> StartAsync(ClusterSettings settings)
    {
        var cluster = new TestCluster(settings);
        try
        {
            foreach (var silo in settings.Silos)
            {
                await cluster.AddSiloAsync(silo);
            }

            await cluster.StartClientAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether a message is ours, and one that an operator would be woken for.</summary>
    public static bool IsOurs(LogEntry entry)
        => entry.Level > LogLevel.Information
            && entry.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal);

    public async Task<TestSilo> AddSiloAsync(ApplicationScheduling? scheduling)
    {
        var primary = _silos.Count == 0 ? null : new IPEndPoint(IPAddress.Loopback, _silos[0].Port);
        var silo = new TestSilo(scheduling, _name, primary, _settings);
        _silos.Add(silo);
        await silo.StartAsync();
        await Poll.UntilAsync(() => _silos.TrueForAll(other => other.HasEnded || other.Knows(silo.Address)));
        return silo;
    }

    /// <summary>Activates a grain on a silo.</summary>
    public async Task<IEchoGrain> ActivateAsync(long key, TestSilo silo)
    {
        var grain = Grains.GetGrain<IEchoGrain>(key);
        RequestContext.Set(IPlacementDirector.PlacementHintKey, silo.Address);
        try
        {
            Assert.Equal(silo.Port, await grain.GetPortAsync().DefaultTimeout());
        }
        finally
        {
            RequestContext.Clear();
        }

        return grain;
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
        {
            await _client.StopAsync().DefaultTimeout();
            await ((IAsyncDisposable)_client).DisposeAsync().DefaultTimeout();
        }

        // The primary, which keeps the table of the others, goes last.
        foreach (var silo in _silos.AsEnumerable().Reverse())
        {
            await silo.DisposeAsync();
        }

        await _pools.AssertAllReturnedAsync();
        _logs.AssertEmpty();
        _silos.ForEach(static silo => silo.Logs.AssertEmpty());
    }

    private async Task StartClientAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.AddProvider(_logs).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>>(_pools);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(
                [.. _silos.Select(static silo => new IPEndPoint(IPAddress.Loopback, silo.GatewayPort))]);
            client.Configure<ClusterOptions>(options =>
            {
                options.ClusterId = _name;
                options.ServiceId = _name;
            });
            client.UseTransport(_settings.Client);
            _settings.ClientBuilder?.Invoke(client);
        });
        _client = builder.Build();
        await _client.StartAsync().DefaultTimeout();
    }
}
