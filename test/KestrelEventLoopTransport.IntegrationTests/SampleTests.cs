using System.Net;
using System.Text.Json;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.IntegrationTests;

public sealed class SampleTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task The_plaintext_sample_answers_over_a_real_socket(ApplicationScheduling scheduling, int loops)
    {
        await using var factory = Start(scheduling, loops);
        using var client = LoopbackHttpClient.Create(factory.ClientOptions.BaseAddress, ClientProtocol.Http1);

        using var plaintext = await client.GetAsync("/plaintext", HangGuard.Token);
        Assert.Equal(HttpStatusCode.OK, plaintext.StatusCode);
        Assert.Equal("Hello, World!", await plaintext.Content.ReadAsStringAsync(HangGuard.Token));
        Assert.Equal("text/plain", plaintext.Content.Headers.ContentType?.MediaType);

        using var json = await client.GetAsync("/json", HangGuard.Token);
        using var document = JsonDocument.Parse(await json.Content.ReadAsStringAsync(HangGuard.Token));
        Assert.Equal(HttpStatusCode.OK, json.StatusCode);
        Assert.Equal("application/json", json.Content.Headers.ContentType?.MediaType);
        Assert.Equal("Hello, World!", document.RootElement.GetProperty("message").GetString());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "1")]
    public async Task The_plaintext_sample_runs_on_the_event_loop_transport(ApplicationScheduling scheduling)
    {
        await using var factory = Start(scheduling, 2);

        StockTransport.AssertNotUsedBy(factory.Services);
        Assert.Equal(
            scheduling, factory.Services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value.Scheduling);
    }

    private static WebApplicationFactory<Program> Start(ApplicationScheduling scheduling, int loops)
    {
        var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(
            builder => builder.ConfigureServices(services =>
            services.PostConfigure<EventLoopTransportOptions>(options =>
            {
                options.Scheduling = scheduling;
                options.EventLoopCount = loops;
            })));
        factory.UseKestrel(0);
        factory.StartServer();
        return factory;
    }
}
