using System.Buffers;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>The status page as a person sees it.</summary>
public sealed class StatusPageTests(Browser browser) : IClassFixture<Browser>
{
    // Playwright's expectations wait for this long, in milliseconds; the others have DefaultTimeout.
    static StatusPageTests() => SetDefaultExpectTimeout(Browser.Patience);

    [Fact]
    public async Task The_page_shows_the_slow_connection_and_the_handler_that_blocks()
    {
        using var roadblock = new Roadblock();
        var app = new TestApp(roadblock);
        await using var server = await StatusServer.StartAsync(app: context => context.Request.Path == "/large"
            ? context.Response.Body.WriteAsync(new byte[10_000_000]).AsTask()
            : app.RunAsync(context));
        using var slow = await server.Server.ConnectAsync();
        await slow.SendAsync("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
        using var blocked = await TestApp.ConnectToLoopAsync(server.Server);
        await blocked.SendAsync(TestApp.Block);
        try
        {
            await using var tab = await browser.OpenAsync(server, "#sort=buffered");

            var row = tab.Page.Locator("#rows tr").First;
            await Expect(row).ToContainTextAsync(slow.Socket.LocalEndPoint!.ToString()!);
            await Expect(row).ToContainTextAsync("waits for the peer to read");
            await Expect(row).ToContainTextAsync("iB");
            await Expect(tab.Page.Locator("th[aria-sort=descending]")).ToHaveTextAsync("Buffered");
            await Expect(tab.Page.Locator("#handlers tr")).ToContainTextAsync("goes on with another thread");
            await Expect(tab.Page.Locator("#stuck")).ToHaveTextAsync("1");
            await Expect(tab.Page.Locator("#loops tr")).ToHaveCountAsync(2);
            await Expect(tab.Page.Locator("#loops td:nth-child(8)", new() { HasTextRegex = new("[1-9]") }).First)
                .ToBeVisibleAsync();
            await Expect(tab.Page.Locator("#listeners tr")).ToContainTextAsync(server.Server.EndPoint.ToString()!);

            roadblock.Open();
            await Expect(tab.Page.GetByText("None at the moment.")).ToBeVisibleAsync();
            Assert.Empty(tab.Complaints);
        }
        finally
        {
            roadblock.Open();
        }
    }

    [Fact]
    public async Task The_page_keeps_itself_up_to_date_and_keeps_its_rows()
    {
        await using var server = await StatusServer.StartAsync();
        using var other = await server.Server.ConnectAsync();
        await using var tab = await browser.OpenAsync(server);
        var row = tab.RowOf(other.Socket.LocalEndPoint!.ToString()!);
        await Expect(row).ToHaveCountAsync(1);
        await row.EvaluateAsync("row => row.isTheSame = true");
        var connections = await tab.Page.Locator("#connections").TextContentAsync();

        // More than the browser closes meanwhile.
        var others = new List<RawClient>();
        for (var i = 0; i < 10; i++)
        {
            others.Add(await server.Server.ConnectAsync());
        }

        using var more = await server.Server.ConnectAsync();
        var peer = more.Socket.LocalEndPoint!.ToString()!;

        await Expect(tab.RowOf(peer)).ToHaveCountAsync(1);
        Assert.True(await row.EvaluateAsync<bool>("row => row.isTheSame === true"));
        await Expect(tab.Page.Locator("#connections")).Not.ToHaveTextAsync(connections!);
        await Expect(tab.Page.Locator("#state")).ToHaveTextAsync("Live");

        more.Dispose();
        await Expect(tab.RowOf(peer)).ToHaveCountAsync(0);
        others.ForEach(static client => client.Dispose());
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task A_search_and_an_order_survive_a_reload()
    {
        await using var server = await StatusServer.StartAsync();
        using var first = await server.Server.ConnectAsync();
        using var second = await server.Server.ConnectAsync();
        await using var tab = await browser.OpenAsync(server);
        var peer = second.Socket.LocalEndPoint!.ToString()!;

        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Idle" }).ClickAsync();
        await tab.Page.GetByLabel("Search").FillAsync(peer);
        await Expect(tab.Page.Locator("#rows tr")).ToHaveCountAsync(1);
        await Expect(tab.RowOf(peer)).ToHaveCountAsync(1);
        await tab.Page.ReloadAsync();

        await Expect(tab.Page.Locator("#rows tr")).ToHaveCountAsync(1);
        await Expect(tab.Page.GetByLabel("Search")).ToHaveValueAsync(peer);
        await Expect(tab.Page.Locator("th[aria-sort]")).ToHaveTextAsync("Idle");
    }

    [Fact]
    public async Task An_answer_that_takes_longer_than_a_second_is_waited_for()
    {
        await using var server = await StatusServer.StartAsync(map: static app => app.Use(async (context, next) =>
        {
            if (context.Request.Query["q"].ToString().Length > 0)
            {
                await Task.Delay(1500);
            }

            await next(context);
        }));
        using var other = await server.Server.ConnectAsync();
        await using var tab = await browser.OpenAsync(server);
        var peer = other.Socket.LocalEndPoint!.ToString()!;
        await Expect(tab.Page.Locator("#rows tr")).Not.ToHaveCountAsync(1);

        // The first of the two requests is given up for the second.
        await tab.Page.GetByLabel("Search").FillAsync("nothing");
        await tab.Page.GetByLabel("Search").FillAsync(peer);

        await Expect(tab.Page.Locator("#rows tr")).ToHaveCountAsync(1);
        await Expect(tab.RowOf(peer)).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task After_a_restart_the_history_begins_anew()
    {
        await using var server = await StatusServer.StartAsync();
        await using var restarted = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server);
        await Poll.UntilAsync(async () => await tab.Page.EvaluateAsync<bool>(
            "() => history5.length > 0 && history5.every(sample => sample.isOld = true)"));

        // In the same process: its number does not tell.
        await tab.Page.RouteAsync("**/loops?*", async route => await route.FulfillAsync(new()
        {
            Response = await route.FetchAsync(
                new() { Url = restarted.Address + new Uri(route.Request.Url).Query }),
        }));

        await Poll.UntilAsync(async () => await tab.Page.EvaluateAsync<bool>(
            "() => history5.length > 0 && !history5.some(sample => sample.isOld)"));
        await tab.Page.UnrouteAllAsync(new() { Behavior = UnrouteBehavior.IgnoreErrors });
    }

    [Fact]
    public async Task Paused_it_asks_no_more()
    {
        await using var server = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await Expect(tab.Page.Locator("#state")).ToHaveTextAsync("Paused");
        var requests = 0;
        tab.Page.Request += (_, _) => requests++;
        using var other = await server.Server.ConnectAsync();

        await tab.Page.WaitForTimeoutAsync(2500);

        Assert.Equal(0, requests);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await Expect(tab.RowOf(other.Socket.LocalEndPoint!.ToString()!)).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task It_says_when_the_server_does_not_answer()
    {
        await using var server = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server);

        await server.Server.StopAsync();

        await Expect(tab.Page.Locator("#state")).ToContainTextAsync("No answer");
    }

    [Fact]
    public async Task Text_of_peers_and_of_the_application_stays_text()
    {
        const string Evil = "<img src=x onerror=alert(1)><script>alert(2)</script>";
        using var path = new SocketPath();
        using var directory = new SocketPath();
        await using var server = await StatusServer.StartAsync(
            static options => options.AllowAbort = true,
            kestrel: kestrel => kestrel.ListenUnixSocket(path.Path, listen => listen.Use(next => connection =>
            {
                connection.ConnectionId = Evil;
                return next(connection);
            })));
        var name = directory.Path + "\"><img src=x onerror=alert(3)>";
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Bind(new UnixDomainSocketEndPoint(name));
        await client.ConnectAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var tab = await browser.OpenAsync(server);

        var row = tab.RowOf(Evil);
        await Expect(row).ToContainTextAsync(name);
        await row.GetByRole(AriaRole.Button).ClickAsync();
        await Expect(tab.Page.Locator("#dialog-text")).ToContainTextAsync(Evil);
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Keep it" }).ClickAsync();
        await tab.Page.GetByLabel("Search").FillAsync(Evil);
        await Expect(tab.Page.Locator("#rows tr")).ToHaveCountAsync(1);

        Assert.Equal(0, await tab.Page.Locator("img").CountAsync());
        Assert.Equal(1, await tab.Page.Locator("script").CountAsync());
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task Of_a_PROXY_header_the_address_is_shown_as_text_and_names_are_not_shown()
    {
        const string Evil = "<img src=x onerror=alert(1)>";
        const string Name = "<script>alert('the name that a client asked for')</script>";
        using var path = new SocketPath();
        var local = new UnixDomainSocketEndPoint(path.Path);
        await using var server = await StatusServer.StartAsync(
            services: services => services.Configure<EventLoopTransportOptions>(options => options.ConfigureEndpoint(
                local, static endpoint => endpoint.ProxyProtocol = new() { TrustUnixPeers = true })),
            kestrel: kestrel => kestrel.ListenUnixSocket(path.Path));
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(local);
        var header = new ArrayBufferWriter<byte>();
        new ProxyProtocolHeader
        {
            Version = ProxyProtocolVersions.V2,
            Source = new UnixDomainSocketEndPoint(Evil),
            Destination = local,
            Tlvs =
            [
                new(ProxyProtocolTlvType.Authority, Encoding.ASCII.GetBytes(Name)),
                new(ProxyProtocolTlvType.UniqueId, Encoding.ASCII.GetBytes(Name)),
                new(ProxyProtocolTlvType.NetworkNamespace, Encoding.ASCII.GetBytes(Name)),
            ],
        }.WriteTo(header);
        client.Send(header.WrittenSpan);
        await using var tab = await browser.OpenAsync(server);

        await Expect(tab.RowOf(Evil)).ToHaveCountAsync(1);

        await Expect(tab.Page.Locator("body")).Not.ToContainTextAsync("the name that a client asked for");
        Assert.Equal(0, await tab.Page.Locator("img").CountAsync());
        Assert.Equal(1, await tab.Page.Locator("script").CountAsync());
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task A_script_that_gets_into_the_page_does_not_run()
    {
        await using var server = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server);

        var refused = await tab.Page.EvaluateAsync<int>(
            """
            () => [
              () => {
                const script = document.createElement('script');
                script.textContent = 'window.isOwned = true';
                document.body.append(script);
              },
              () => document.createElement('img').setAttribute('onerror', 'window.isOwned = true'),
              () => document.body.insertAdjacentHTML('beforeend', '<b>text</b>'),
              () => setTimeout('window.isOwned = true'),
            ].filter(inject => { try { inject(); return false; } catch { return true; } }).length
            """);

        Assert.Equal(4, refused);
        Assert.False(await tab.Page.EvaluateAsync<bool>("() => 'isOwned' in window"));
    }

    [Fact]
    public async Task An_abort_is_asked_back_and_then_done()
    {
        await using var server = await StatusServer.StartAsync(static options => options.AllowAbort = true);
        using var other = await server.Server.ConnectAsync();
        await using var tab = await browser.OpenAsync(server);
        var row = tab.RowOf(other.Socket.LocalEndPoint!.ToString()!);

        // With the keyboard alone.
        await row.GetByRole(AriaRole.Button).PressAsync("Enter");
        await Expect(tab.Page.Locator("dialog")).ToBeVisibleAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Button, new() { Name = "Keep it" })).ToBeFocusedAsync();
        await tab.Page.Keyboard.PressAsync("Escape");
        await Expect(tab.Page.Locator("dialog")).Not.ToBeVisibleAsync();
        await Expect(row.GetByRole(AriaRole.Button)).ToBeFocusedAsync();
        await row.GetByRole(AriaRole.Button).PressAsync("Enter");
        await tab.Page.Locator("#confirm").PressAsync("Enter");

        await other.ExpectResetAsync();
        await Expect(row).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Without_the_option_there_is_no_button_to_abort()
    {
        await using var server = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server);

        Assert.Equal(0, await tab.Page.GetByText("Abort", new() { Exact = true }).Filter(new() { Visible = true })
            .CountAsync());
    }

    [Fact]
    public async Task Endpoints_that_share_an_address_have_a_row_each()
    {
        var url = $"udp://127.0.0.1:{FreePort.Next()}";
        await using var server = await StatusServer.StartAsync(services: services =>
        {
            services.AddDatagramCallback(url, static (in datagram, sender) => { }, static o => o.ReusePort = true);
            services.AddDatagramCallback(url, static (in datagram, sender) => { }, static o => o.ReusePort = true);
        });

        await using var tab = await browser.OpenAsync(server);

        await Expect(tab.Page.Locator("#datagrams tr")).ToHaveCountAsync(2);
    }

    [Theory]
    [InlineData(ColorScheme.Light, 1400)]
    [InlineData(ColorScheme.Dark, 390)]
    public async Task Axe_finds_nothing_and_nothing_sticks_out(ColorScheme scheme, int width)
    {
        using var roadblock = new Roadblock();
        await using var server = await StatusServer.StartAsync(
            static options => options.AllowAbort = true,
            services: static services => services.AddDatagramCallback(
                "udp://127.0.0.1:0", static (in datagram, sender) => { }),
            app: new TestApp(roadblock).RunAsync);
        using var blocked = await TestApp.ConnectToLoopAsync(server.Server);
        await blocked.SendAsync(TestApp.Block);
        try
        {
            await using var tab = await browser.OpenAsync(server, scheme: scheme, width: width);
            await Expect(tab.Page.Locator("#handlers tr")).ToHaveCountAsync(1);
            await Expect(tab.Page.Locator("#datagrams tr")).ToContainTextAsync("127.0.0.1:");
            await tab.AssertAccessibleAsync();

            await tab.Page.Locator("#rows button").First.ClickAsync();
            await Expect(tab.Page.Locator("dialog")).ToBeVisibleAsync();
            await tab.AssertAccessibleAsync();
        }
        finally
        {
            roadblock.Open();
        }
    }

    [Fact]
    public async Task Nothing_moves_for_those_who_do_not_like_it()
    {
        await using var server = await StatusServer.StartAsync();
        await using var tab = await browser.OpenAsync(server, motion: ReducedMotion.Reduce);

        Assert.Equal(0, await tab.Page.EvaluateAsync<int>("() => document.getAnimations().length"));
    }
}
