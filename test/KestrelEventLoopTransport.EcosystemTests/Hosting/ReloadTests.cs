using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>Endpoints in the section <c>Kestrel</c> of <c>appsettings.json</c>, which changes meanwhile.</summary>
public sealed class ReloadTests
{
    [Theory]
    [ClassData<EveryTransport>]
    public async Task A_change_of_the_file_moves_the_endpoint_and_lets_a_request_end(TransportUnderTest transport)
    {
        var directory = Directory.CreateTempSubdirectory("kestrel-");
        try
        {
            var before = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
            var after = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
            var stays = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
            var entered = Signal.New();
            var release = Signal.New();
            Write(directory, before, stays);
            var builder = WebApplication.CreateBuilder(
                new WebApplicationOptions { ContentRootPath = directory.FullName });
            builder.Logging.ClearProviders();
            transport.Use(builder.WebHost);
            await using var app = builder.Build();
            app.MapGet("/", static () => "Hello");
            app.MapGet("/held", async () =>
            {
                entered.TrySetResult();
                await release.Task;
                return "late";
            });
            await app.StartAsync().DefaultTimeout();
            using var client = LoopbackHttpClient.Create(new Uri($"http://{before}"), ClientProtocol.Http1);
            using var other = LoopbackHttpClient.Create(new Uri($"http://{stays}"), ClientProtocol.Http1);
            Assert.Equal("Hello", await client.GetStringAsync("/").DefaultTimeout());
            Assert.False(await RawClient.CanConnectAsync(after));
            var held = client.GetStringAsync("/held");
            await entered.Task.DefaultTimeout();

            Write(directory, after, stays);

            await Poll.UntilAsync(async () => !await RawClient.CanConnectAsync(before));

            // Kestrel waits for it for five seconds.
            release.TrySetResult();
            Assert.Equal("late", await held.DefaultTimeout());
            Assert.Equal("Hello", await other.GetStringAsync("/").DefaultTimeout());
            await Poll.UntilAsync(async () => await RawClient.CanConnectAsync(after));
            using var moved = LoopbackHttpClient.Create(new Uri($"http://{after}"), ClientProtocol.Http1);
            Assert.Equal("Hello", await moved.GetStringAsync("/").DefaultTimeout());
            Assert.Equal("Hello", await other.GetStringAsync("/").DefaultTimeout());
            await app.StopAsync().DefaultTimeout();
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Write(DirectoryInfo directory, IPEndPoint moving, IPEndPoint stays)
    {
        var file = Path.Combine(directory.FullName, "appsettings.json");

        // Under another name first: half a file is none.
        File.WriteAllText(file + ".new", $$"""
            {
              "Kestrel": {
                "Endpoints": {
                  "Moving": { "Url": "http://{{moving}}" },
                  "Staying": { "Url": "http://{{stays}}" }
                }
              }
            }
            """);
        File.Move(file + ".new", file, overwrite: true);
    }
}
