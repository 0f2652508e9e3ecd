using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Answers that are kept: <c>UseOutputCache</c>.</summary>
public sealed class OutputCacheTests
{
    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Clients_at_once_get_the_answer_that_is_kept_for_their_query(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        var runs = 0;
        await using var server = await MiddlewareServer.StartAsync(
            transport,
            protocol,
            app =>
            {
                app.UseOutputCache();
                app.MapGet("/", (string query) =>
                {
                    Interlocked.Increment(ref runs);
                    return string.Join(' ', Enumerable.Repeat(query, 30_000));
                }).CacheOutput();
            },
            static services => services.AddOutputCache());

        using var first = await GetAsync("even");
        using var second = await GetAsync("odd");
        Assert.Null(first.Headers.Age);

        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var kept = await GetAsync(i % 2 == 0 ? "even" : "odd");
            Assert.NotNull(kept.Headers.Age);
        }));

        Assert.Equal(2, runs);

        async Task<HttpResponseMessage> GetAsync(string query)
        {
            var response = await server.Client.GetAsync($"/?query={query}").DefaultTimeout();
            var body = await response.Content.ReadAsStringAsync();
            Assert.True(body == string.Join(' ', Enumerable.Repeat(query, 30_000)), "The answer is another one.");
            return response;
        }
    }
}
