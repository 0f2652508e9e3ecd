using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpLogging;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Requests and answers in the log: <c>UseHttpLogging</c>.</summary>
public sealed class HttpLoggingTests
{
    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Request_and_answer_are_logged_with_their_bodies(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await MiddlewareServer.StartAsync(
            transport,
            protocol,
            static app =>
            {
                app.UseHttpLogging();
                app.MapPost("/", static async (HttpContext context) =>
                {
                    using var reader = new StreamReader(context.Request.Body);
                    var body = await reader.ReadToEndAsync();
                    context.Response.ContentType = "text/plain";
                    await context.Response.WriteAsync("answer to " + body);
                });
            },
            static services => services.AddHttpLogging(
                static options => options.LoggingFields = HttpLoggingFields.All));

        using var response = await server.Client.PostAsync("/", new StringContent("a question")).DefaultTimeout();

        Assert.Equal("answer to a question", await response.Content.ReadAsStringAsync());
        var version = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls ? "HTTP/1.1" : "HTTP/2";
        await AssertLoggedAsync($"Protocol: {version}");
        await AssertLoggedAsync("RequestBody: a question");
        await AssertLoggedAsync("ResponseBody: answer to a question");
        await AssertLoggedAsync("StatusCode: 200");

        // The answer is logged when it has gone: the client may be faster.
        Task AssertLoggedAsync(string text) => Poll.UntilAsync(
            () => server.Logs.Entries.Any(entry =>
                entry.Category.StartsWith("Microsoft.AspNetCore.HttpLogging", StringComparison.Ordinal)
                && entry.Message.Contains(text, StringComparison.Ordinal)),
            () => text);
    }
}
