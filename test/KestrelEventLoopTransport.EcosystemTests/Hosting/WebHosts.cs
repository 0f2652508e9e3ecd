using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>Hosts that say "Hello" on a port of loopback which the system chooses.</summary>
internal static class WebHosts
{
    public const string Text = "Hello";

    private const string Address = "http://127.0.0.1:0";

    public static IHost Create(
        HostKind kind, TransportUnderTest transport, Action<IServiceCollection>? services = null) => kind switch
        {
            HostKind.Web => Build(WebApplication.CreateBuilder(), transport, services),
            HostKind.Slim => Build(WebApplication.CreateSlimBuilder(), transport, services),
            HostKind.Empty => Build(CreateEmptyBuilder(), transport, services),
            HostKind.Generic => CreateBuilder(transport, services).Build(),
            HostKind.Bare => new HostBuilder()
                .ConfigureWebHost(web => Configure(web.UseKestrelCore(), transport, services)).Build(),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };

    public static IHostBuilder CreateBuilder(TransportUnderTest transport, Action<IServiceCollection>? services = null)
        => Host.CreateDefaultBuilder()
            .ConfigureLogging(static logging => logging.ClearProviders())
            .ConfigureWebHostDefaults(web => Configure(web, transport, services));

    public static Uri AddressOf(IHost host)
    {
        var features = host.Services.GetRequiredService<IServer>().Features;
        return new(Assert.Single(features.GetRequiredFeature<IServerAddressesFeature>().Addresses));
    }

    public static IPEndPoint EndPointOf(IHost host) => IPEndPoint.Parse(AddressOf(host).Authority);

    public static async Task AssertAnswersAsync(IHost host)
    {
        using var client = LoopbackHttpClient.Create(AddressOf(host), ClientProtocol.Http1);
        Assert.Equal(Text, await client.GetStringAsync("/").DefaultTimeout());
    }

    /// <summary>A host on another transport than the one that was asked for would answer as well.</summary>
    public static void AssertRunsOn(TransportUnderTest transport, IServiceProvider services)
    {
        if (!transport.IsStock)
        {
            StockTransport.AssertNotUsedBy(services);
            return;
        }

        Assert.DoesNotContain(
            services.GetServices<IConnectionListenerFactory>(), static factory => factory is EventLoopTransportFactory);
    }

    private static WebApplicationBuilder CreateEmptyBuilder()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        return builder;
    }

    private static WebApplication Build(
        WebApplicationBuilder builder, TransportUnderTest transport, Action<IServiceCollection>? services)
    {
        builder.Logging.ClearProviders();
        services?.Invoke(builder.Services);
        transport.Use(builder.WebHost).UseUrls(Address);
        var app = builder.Build();
        app.Run(SayHello);
        return app;
    }

    private static void Configure(
        IWebHostBuilder web, TransportUnderTest transport, Action<IServiceCollection>? services)
        => transport.Use(web)
            .UseUrls(Address)
            .ConfigureServices(collection => services?.Invoke(collection))
            .Configure(static app => app.Run(SayHello));

    private static Task SayHello(HttpContext context) => context.Response.WriteAsync(Text);
}
