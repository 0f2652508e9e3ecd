using System.Net;
using System.Security.Claims;
using System.Text.Encodings.Web;
using KestrelEventLoopTransport.Status;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Status;

/// <summary>Who may see the status page.</summary>
[FailsOnStock("A page of ours.")]
public sealed class StatusAccessTests
{
    [Theory]
    [InlineData("127.0.0.1", "localhost:5000", true)]
    [InlineData("127.1.2.3", "LOCALHOST", true)]
    [InlineData("::1", "[::1]:5000", true)]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1", true)]
    [InlineData("10.0.0.1", "localhost", false)]
    [InlineData("fe80::1", "localhost", false)]
    [InlineData(null, "localhost", false)]
    [InlineData("127.0.0.1", "example.com", false)]
    [InlineData("127.0.0.1", "localhost.example.com", false)]
    [InlineData("127.0.0.1", "10.0.0.1", false)]
    [InlineData("127.0.0.1", "", false)]
    public void Without_a_policy_the_client_is_on_this_machine_and_names_it(string? peer, string host, bool isAllowed)
        => Assert.Equal(isAllowed, StatusAccess.IsAllowed(Request(peer, host)));

    [Theory]
    [InlineData("Forwarded")]
    [InlineData("X-Forwarded-For")]
    [InlineData("x-forwarded-host")]
    [InlineData("X-Forwarded-Proto")]
    [InlineData("X-Real-IP")]
    [InlineData("Via")]
    public void What_a_proxy_has_forwarded_is_not_from_this_machine(string header)
    {
        var context = Request("127.0.0.1", "localhost");
        context.Request.Headers[header] = "";

        Assert.False(StatusAccess.IsAllowed(context));
    }

    [Fact]
    public void With_a_policy_the_policy_decides()
    {
        Assert.True(StatusAccess.IsAllowed(Request("10.0.0.1", "example.com", new AuthorizeAttribute())));
        Assert.True(StatusAccess.IsAllowed(Request(
            "10.0.0.1", "example.com", new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build())));
    }

    [Fact]
    public void Anonymous_access_is_no_policy()
        => Assert.False(StatusAccess.IsAllowed(
            Request("10.0.0.1", "example.com", new AuthorizeAttribute(), new AllowAnonymousAttribute())));

    [Fact]
    public async Task A_request_under_another_name_is_refused()
    {
        await using var server = await StatusServer.StartAsync();

        foreach (var accept in new[] { "text/html", "application/json" })
        {
            using var response = await server.SendAsync(host: "rebound.example", accept: accept);

            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
            Assert.DoesNotContain(
                "127.0.0.1", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_policy_keeps_strangers_out_and_lets_others_in_from_anywhere()
    {
        await using var server = await StatusServer.StartAsync(
            conventions: static endpoint => endpoint.RequireAuthorization(),
            services: static services =>
            {
                services.AddAuthentication("test").AddScheme<AuthenticationSchemeOptions, TestScheme>("test", null);
                services.AddAuthorization();
            },
            map: static application => application.UseAuthentication().UseAuthorization());

        using var stranger = await server.SendAsync();
        using var friend = await server.SendAsync(host: "example.com", headers: ("Authorization", "test friend"));

        Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        Assert.Equal(HttpStatusCode.OK, friend.StatusCode);
    }

    private static DefaultHttpContext Request(string? peer, string host, params object[] metadata)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        context.Request.Host = new HostString(host);
        context.SetEndpoint(new Endpoint(null, new EndpointMetadataCollection(metadata), "status"));
        return context;
    }

    private sealed class TestScheme(
        IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
            => Task.FromResult(Request.Headers.Authorization.Count == 0
                ? AuthenticateResult.NoResult()
                : AuthenticateResult.Success(new AuthenticationTicket(
                    new ClaimsPrincipal(new ClaimsIdentity("test")), "test")));
    }
}
