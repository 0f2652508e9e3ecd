using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Requests that are refused: <c>UseRateLimiter</c>.</summary>
public sealed class RateLimiterTests
{
    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task A_permit_comes_back_with_the_answer_and_with_a_client_that_leaves(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        const int Permits = 2;
        using var entered = new SemaphoreSlim(0);
        var release = Signal.New();
        await using var server = await MiddlewareServer.StartAsync(
            transport,
            protocol,
            app =>
            {
                app.UseRateLimiter();
                app.MapGet("/held", async context =>
                {
                    entered.Release();
                    await release.Task.WaitAsync(context.RequestAborted);
                }).RequireRateLimiting("few");
                app.MapGet("/quick", static () => "Hello").RequireRateLimiting("few");
            },
            static services => services.AddRateLimiter(static limiter => limiter
                .AddConcurrencyLimiter("few", static options =>
                {
                    options.PermitLimit = Permits;
                    options.QueueLimit = 0;
                })
                .RejectionStatusCode = (int)HttpStatusCode.TooManyRequests));
        using var leaves = new CancellationTokenSource();
        var held = server.Client.GetAsync("/held");
        var left = server.Client.GetAsync("/held", leaves.Token);
        for (var i = 0; i < Permits; i++)
        {
            Assert.True(await entered.WaitAsync(TaskTimeoutExtensions.Default));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await GetQuickAsync());
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left).DefaultTimeout();

        // The permit comes back when the server has seen the client leave.
        await Poll.UntilAsync(async () => await GetQuickAsync() == HttpStatusCode.OK);
        release.TrySetResult();
        Assert.Equal(HttpStatusCode.OK, (await held.DefaultTimeout()).StatusCode);

        async Task<HttpStatusCode> GetQuickAsync()
        {
            using var response = await server.Client.GetAsync("/quick").DefaultTimeout();
            return response.StatusCode;
        }
    }
}
