using Microsoft.AspNetCore.TestHost;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>An application that its tests start: <c>WebApplicationFactory</c>.</summary>
public sealed class FactoryTests
{
    [Theory]
    [ClassData<EveryTransport>]
    public async Task With_Kestrel_it_serves_on_a_real_port(TransportUnderTest transport)
    {
        await using var factory = new AppFactory(transport);
        factory.UseKestrel(0);
        factory.StartServer();

        WebHosts.AssertRunsOn(transport, factory.Services);
        using var client = factory.CreateClient();
        Assert.Equal("127.0.0.1", client.BaseAddress!.Host);
        Assert.Equal(WebHosts.Text, await client.GetStringAsync("/").DefaultTimeout());
        Assert.Equal(WebHosts.Text, await client.GetStringAsync("/").DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task In_memory_it_needs_no_transport(TransportUnderTest transport)
    {
        await using var factory = new AppFactory(transport);
        using var client = factory.CreateClient();

        Assert.IsType<Microsoft.AspNetCore.TestHost.TestServer>(factory.Server);
        Assert.Equal(WebHosts.Text, await client.GetStringAsync("/").DefaultTimeout());
    }
}
