using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Hosting;

namespace KestrelEventLoopTransport.Orleans.Tests;

/// <summary>Kestrel and a silo in one process.</summary>
public sealed class CoHostingTests
{
    // Whichever is registered first.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kestrel_and_a_silo_share_their_loops(bool siloFirst)
    {
        var (port, gateway) = (FreePort.Next(), FreePort.Next());
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        if (siloFirst)
        {
            builder.UseOrleans(UseSilo);
        }

        builder.WebHost
            .UseUrls("http://127.0.0.1:0")
            .UseEventLoopTransport(static options => options.EventLoopCount = 3);
        if (!siloFirst)
        {
            builder.UseOrleans(UseSilo);
        }

        await using var application = builder.Build();
        application.MapGet("/{key}", static async (long key, IGrainFactory grains)
            => $"{(await grains.GetGrain<IEchoGrain>(key).EchoAsync([1, 2, 3])).Length}");
        await application.StartAsync().DefaultTimeout();
        using var client = new HttpClient { BaseAddress = new Uri(application.Urls.Single()) };

        Assert.Equal("3", await client.GetStringAsync("/5").DefaultTimeout());

        var monitor = application.Services.GetRequiredService<EventLoopTransportMonitor>();
        Assert.Equal(
            new[] { client.BaseAddress.Port, port, gateway }.Order(),
            monitor.Endpoints.Select(static endpoint => ((IPEndPoint)endpoint.EndPoint).Port).Order());
        Assert.Equal(3, monitor.GetLoopStatistics().Count);
        Assert.Equal(1, monitor.GetLoopStatistics().Sum(static loop => loop.ConnectionCount));
        await application.StopAsync().DefaultTimeout();
        Assert.Empty(monitor.Endpoints);

        void UseSilo(ISiloBuilder silo) => silo.UseEventLoopTransport().UseLocalhostClustering(port, gateway);
    }

    [Fact]
    public async Task Kestrel_may_stay_on_its_own_sockets()
    {
        var (port, gateway) = (FreePort.Next(), FreePort.Next());
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.UseOrleans(silo => silo.UseLocalhostClustering(port, gateway).UseEventLoopTransport());
        await using var application = builder.Build();
        application.MapGet("/", static http => http.Response.WriteAsync("Hello"));
        await application.StartAsync().DefaultTimeout();
        using var client = new HttpClient { BaseAddress = new Uri(application.Urls.Single()) };

        Assert.Equal("Hello", await client.GetStringAsync("/").DefaultTimeout());

        var monitor = application.Services.GetRequiredService<EventLoopTransportMonitor>();
        Assert.Equal(2, monitor.Endpoints.Count);
    }
}
