using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>Starts an application on a transport, as a test of that application would.</summary>
internal sealed class AppFactory(TransportUnderTest transport) : WebApplicationFactory<AppFactory>
{
    protected override IHostBuilder CreateHostBuilder() => WebHosts.CreateBuilder(transport);

    protected override void ConfigureWebHost(IWebHostBuilder builder)
        => builder.UseContentRoot(AppContext.BaseDirectory);
}
