using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Handlers that take too long: <c>UseRequestTimeouts</c>.</summary>
public sealed class RequestTimeoutTests
{
    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task A_handler_that_takes_too_long_is_cancelled(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(transport, protocol);

        using var late = await server.Client.GetAsync("/late").DefaultTimeout();

        Assert.Equal(HttpStatusCode.GatewayTimeout, late.StatusCode);
        Assert.Equal("Hello", await server.Client.GetStringAsync("/").DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task An_answer_that_has_begun_is_cut(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(transport, protocol);

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetStringAsync("/begun"))
            .DefaultTimeout();

        Assert.Equal("Hello", await server.Client.GetStringAsync("/").DefaultTimeout());
    }

    private static Task<MiddlewareServer> StartAsync(TransportUnderTest transport, ClientProtocol protocol)
    {
        var limit = TimeSpan.FromMilliseconds(50);
        return MiddlewareServer.StartAsync(
            transport,
            protocol,
            app =>
            {
                app.UseRequestTimeouts();
                app.MapGet("/", static () => "Hello");
                app.MapGet("/late", static context => Task.Delay(Timeout.Infinite, context.RequestAborted))
                    .WithRequestTimeout(limit);
                app.MapGet("/begun", static async context =>
                {
                    await context.Response.WriteAsync("begun");
                    await context.Response.Body.FlushAsync(CancellationToken.None);
                    await Task.Delay(Timeout.Infinite, context.RequestAborted);
                }).WithRequestTimeout(limit);
            },
            static services => services.AddRequestTimeouts());
    }
}
