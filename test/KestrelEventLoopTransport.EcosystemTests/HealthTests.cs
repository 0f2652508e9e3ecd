using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests;

/// <summary>Health checks: <c>Microsoft.Extensions.Diagnostics.HealthChecks</c>.</summary>
public sealed class HealthTests
{
    [Theory]
    [ClassData<EveryTransport>]
    public async Task Health_checks_answer(TransportUnderTest transport)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            Services = static services => services.AddHealthChecks(),
            Map = static app => app.MapHealthChecks("/health"),
        });
        using var client = new HttpClient();

        var answer = await client.GetAsync($"http://{server.EndPoint}/health").DefaultTimeout();

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("Healthy", await answer.Content.ReadAsStringAsync());
    }
}
