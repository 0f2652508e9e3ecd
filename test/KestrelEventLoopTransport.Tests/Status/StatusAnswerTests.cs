using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Status;

/// <summary>The form of the status page's answers: HTML or JSON, headers, and text of peers in them.</summary>
[FailsOnStock("A page of ours.")]
public sealed partial class StatusAnswerTests
{
    [Theory]
    [InlineData(null, "application/json")]
    [InlineData("*/*", "application/json")]
    [InlineData("application/json", "application/json")]
    [InlineData("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html")]
    [InlineData("TEXT/HTML", "text/html")]
    [InlineData("application/json, text/html;q=0.5", "application/json")]
    [InlineData("application/json;q=0.1, text/html;q=0.5", "text/html")]
    [InlineData("text/html;q=0", "application/json")]
    [InlineData("nonsense", "application/json")]
    public async Task The_client_chooses_between_HTML_and_JSON(string? accept, string type)
    {
        await using var server = await StatusServer.StartAsync();

        using var response = await server.SendAsync(accept: accept);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(type, response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("utf-8", response.Content.Headers.ContentType.CharSet);
        Assert.Contains("Accept", response.Headers.Vary);
    }

    [Fact]
    public async Task Nothing_keeps_an_answer_and_no_other_site_embeds_it()
    {
        await using var server = await StatusServer.StartAsync();
        foreach (var accept in new[] { "text/html", "application/json" })
        {
            using var response = await server.SendAsync(accept: accept);

            Assert.True(response.Headers.CacheControl!.NoStore);
            Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal("same-origin", response.Headers.GetValues("Cross-Origin-Resource-Policy").Single());
            var policy = response.Headers.GetValues("Content-Security-Policy").Single();
            Assert.StartsWith("default-src 'none';", policy, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_page_loads_nothing_else_and_runs_only_what_has_the_number_of_this_answer()
    {
        await using var server = await StatusServer.StartAsync();
        var (first, page) = await GetPageAsync(server);
        var (second, _) = await GetPageAsync(server);

        Assert.NotEqual(first, second);
        Assert.Equal(2, page.Split($"nonce=\"{first}\"").Length - 1);
        Assert.Equal(2, Blocks().Count(page));
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.DoesNotContain("innerHTML", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"\bsrc=|@import|url\(", page);
        Assert.DoesNotMatch(@"\son\w+=""|\sstyle=""", page);
        Assert.DoesNotMatch("https?://(?!www.w3.org/2000/svg)", page);
    }

    [Fact]
    public async Task Text_of_the_application_cannot_end_a_script_or_a_tag()
    {
        const string Evil = "</script><img src=x onerror=alert(1)>\u2028'\"&";
        await using var server = await StatusServer.StartAsync(listen: static listen => listen.Use(next => connection =>
        {
            connection.ConnectionId = Evil;
            return next(connection);
        }));

        using var response = await server.SendAsync();
        var text = await response.Content.ReadAsStringAsync();

        Assert.DoesNotMatch("[<>&'\u2028]", text);
        Assert.Equal(Evil, Assert.Single(await server.GetConnectionsAsync()).Text("id"));
    }

    [Fact]
    public async Task The_path_of_a_peer_is_text()
    {
        using var path = new SocketPath();
        using var directory = new SocketPath();
        await using var server = await StatusServer.StartAsync(
            kestrel: kestrel => kestrel.ListenUnixSocket(path.Path));
        var name = directory.Path + "<img src=x onerror=alert(1)>";
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Bind(new UnixDomainSocketEndPoint(name));
        await client.ConnectAsync(new UnixDomainSocketEndPoint(path.Path));
        await Poll.UntilAsync(async () => (await server.GetConnectionsAsync("?q=onerror")).Length == 1);

        var found = Assert.Single(await server.GetConnectionsAsync("?q=onerror"));
        using var response = await server.SendAsync();

        Assert.Equal(name, found.Text("remote"));
        Assert.DoesNotContain("<img", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_head_request_gets_the_headers()
    {
        await using var server = await StatusServer.StartAsync();

        using var response = await server.SendAsync(method: HttpMethod.Head, accept: "text/html");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    private static async Task<(string Nonce, string Page)> GetPageAsync(StatusServer server)
    {
        using var response = await server.SendAsync(accept: "text/html");
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        return (Nonce().Match(policy).Groups[1].Value, await response.Content.ReadAsStringAsync());
    }

    [GeneratedRegex("script-src 'nonce-([^']{24})'")]
    private static partial Regex Nonce();

    [GeneratedRegex("<(script|style)")]
    private static partial Regex Blocks();
}
