using System.Net;
using KestrelEventLoopTransport.Status;

namespace KestrelEventLoopTransport.Tests.Status;

/// <summary>The button that aborts a connection.</summary>
[FailsOnStock("A page of ours.")]
public sealed class StatusAbortTests
{
    private static readonly (string Name, string Value) _header = (StatusAccess.AbortHeader, "abort");

    [Fact]
    public async Task Without_the_option_nothing_can_be_aborted()
    {
        await using var server = await StatusServer.StartAsync();
        var id = (await server.GetConnectionsAsync())[0].Text("id");

        using var response = await server.SendAsync("?abort=" + id, method: HttpMethod.Post, headers: _header);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.False((await server.GetAsync()).GetProperty("allowAbort").GetBoolean());
    }

    [Fact]
    public async Task With_the_option_the_page_aborts_a_connection_and_says_so_in_the_log()
    {
        await using var server = await StatusServer.StartAsync(static options => options.AllowAbort = true);
        using var other = await server.Server.ConnectAsync();
        var search = "?q=" + other.Socket.LocalEndPoint;
        await Poll.UntilAsync(async () => (await server.GetConnectionsAsync(search)).Length == 1);
        var id = (await server.GetConnectionsAsync(search))[0].Text("id");

        using var response = await server.SendAsync("?abort=" + id, method: HttpMethod.Post, headers: _header);

        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        await other.ExpectResetAsync();
        Assert.True((await server.GetAsync()).GetProperty("allowAbort").GetBoolean());
        Assert.Single(server.Server.Logs.Entries, entry => entry.Category == "KestrelEventLoopTransport.Status"
            && entry.Message.Contains(id, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_connection_that_has_gone_is_not_found()
    {
        await using var server = await StatusServer.StartAsync(static options => options.AllowAbort = true);

        using var response = await server.SendAsync("?abort=0HN", method: HttpMethod.Post, headers: _header);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Theory]
    [InlineData(false, null, null)]
    [InlineData(true, "http://evil.example", null)]
    [InlineData(true, "null", null)]
    [InlineData(true, null, "cross-site")]
    [InlineData(true, null, "same-site")]
    public async Task Other_sites_cannot_abort(bool hasHeader, string? origin, string? site)
    {
        await using var server = await StatusServer.StartAsync(static options => options.AllowAbort = true);
        var id = (await server.GetConnectionsAsync())[0].Text("id");
        var headers = new List<(string, string)>();
        if (hasHeader)
        {
            headers.Add(_header);
        }

        if (origin is not null)
        {
            headers.Add(("Origin", origin));
        }

        if (site is not null)
        {
            headers.Add(("Sec-Fetch-Site", site));
        }

        using var response = await server.SendAsync("?abort=" + id, method: HttpMethod.Post, headers: [.. headers]);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal(id, (await server.GetConnectionsAsync())[0].Text("id"));
    }
}
