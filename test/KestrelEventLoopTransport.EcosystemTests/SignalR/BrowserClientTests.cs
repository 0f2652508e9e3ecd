using KestrelEventLoopTransport.BrowserTests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>
/// SignalR's client for JavaScript in Debian's Chromium: see <c>browser.js</c>. It needs no npm, because Blazor's
/// script has the client in it.
/// </summary>
public sealed class BrowserClientTests(Browser browser) : IClassFixture<Browser>
{
    private const string Page =
        """
        <!doctype html><title>Client</title><link rel="icon" href="data:,">
        <script src="_framework/blazor.server.js" autostart="false"></script>
        """;

    private static readonly string[] _scripts = ["hub.js", "browser.js"];

    [Theory]
    [ClassData<EveryTransport>]
    public async Task It_does_all_over_every_wire(TransportUnderTest transport)
    {
        SdkScripts.SkipUnlessThere();
        await using var server = await HubServer.StartAsync(transport, map: static app =>
        {
            SdkScripts.Use(app);
            app.MapGet("/", static () => Results.Content(Page, "text/html"));
        });
        await using var tab = await browser.OpenAsync(new Uri(server.Address, "/"));
        foreach (var script in _scripts)
        {
            await tab.Page.AddScriptTagAsync(
                new() { Path = Path.Combine(AppContext.BaseDirectory, "SignalR", script) });
        }

        var done = await tab.Page
            .EvaluateAsync<string[]>("address => useHubOverEveryWire(address)", $"{server.Address}")
            .WaitAsync(TaskTimeoutExtensions.Default * 3);

        Assert.Equal(["WebSockets", "ServerSentEvents", "LongPolling"], done);
    }
}
