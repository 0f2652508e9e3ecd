using System.Collections.Concurrent;
using System.Net;
using KestrelEventLoopTransport.BrowserTests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Microsoft.Playwright.Assertions;

namespace KestrelEventLoopTransport.EcosystemTests.Blazor;

/// <summary>Blazor Server in Debian's Chromium: <c>AddInteractiveServerComponents</c>.</summary>
public sealed class BlazorTests(Browser browser) : IClassFixture<Browser>
{
    // Playwright's expectations wait for this long, in milliseconds.
    static BlazorTests() => SetDefaultExpectTimeout(Browser.Patience);

    [Theory]
    [ClassData<EveryTransport>]
    public async Task Clicks_and_quick_updates_all_count(TransportUnderTest transport)
    {
        await using var server = await StartAsync(transport, []);
        await using var tab = await OpenAsync(server);
        var page = tab.Page;

        await page.Locator("#one").ClickAsync();
        await Expect(page.Locator("#count")).ToHaveTextAsync("1");

        await page.EvaluateAsync("() => { for (let i = 0; i < 1000; i++) document.getElementById('one').click(); }");
        await Expect(page.Locator("#count")).ToHaveTextAsync("1001");

        await page.Locator("#thousand").ClickAsync();
        await Expect(page.Locator("#count")).ToHaveTextAsync("2001");
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task A_page_whose_connection_the_server_aborts_comes_back_with_its_state(TransportUnderTest transport)
    {
        var connections = new ConcurrentQueue<HttpContext>();
        await using var server = await StartAsync(transport, connections);
        await using var tab = await OpenAsync(server);
        var page = tab.Page;
        await page.Locator("#one").ClickAsync();
        await Expect(page.Locator("#count")).ToHaveTextAsync("1");
        var first = Assert.Single(connections);

        first.Abort();

        await Poll.UntilAsync(() => connections.Count > 1);
        await Expect(page.Locator("#components-reconnect-modal")).ToBeHiddenAsync();
        await page.Locator("#one").ClickAsync();
        await Expect(page.Locator("#count")).ToHaveTextAsync("2");
    }

    private static Task<TestServer> StartAsync(TransportUnderTest transport, ConcurrentQueue<HttpContext> connections)
    {
        SdkScripts.SkipUnlessThere();
        return TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            Map = app =>
            {
                SdkScripts.Use(app);
                app.Use((context, next) =>
                {
                    if (context.Request.Path == "/_blazor" && context.Request.Headers.Upgrade.Count > 0)
                    {
                        connections.Enqueue(context);
                    }

                    return next(context);
                });
                app.UseAntiforgery();
                app.MapRazorComponents<App>().AddInteractiveServerRenderMode();
            },
            Services = static services =>
            {
                services.AddDataProtection().UseEphemeralDataProtectionProvider();
                services.AddRazorComponents().AddInteractiveServerComponents();
            },
        });
    }

    private Task<Tab> OpenAsync(TestServer server)
        => browser.OpenAsync(new Uri($"http://localhost:{((IPEndPoint)server.EndPoint).Port}/"));
}
