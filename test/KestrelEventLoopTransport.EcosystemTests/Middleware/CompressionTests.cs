using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Compressed answers: <c>UseResponseCompression</c>.</summary>
public sealed class CompressionTests
{
    private static readonly string _text = string.Join('\n', Enumerable.Range(0, 40_000));

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task An_answer_comes_compressed_as_the_client_asks(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(
            transport, protocol, static app => app.MapGet("/", static () => _text));
        foreach (var encoding in new[] { "gzip", "br" })
        {
            using var response = await SendAsync(server, encoding);

            Assert.Equal(encoding, Assert.Single(response.Content.Headers.ContentEncoding));
            using var reader = new StreamReader(await OpenAsync(response));
            Assert.Equal(_text, await reader.ReadToEndAsync().DefaultTimeout());
        }

        using var plain = await SendAsync(server, "identity");
        Assert.Empty(plain.Content.Headers.ContentEncoding);
        Assert.Equal(_text, await plain.Content.ReadAsStringAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task What_is_flushed_is_readable_before_the_rest_is_there(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        var hasRead = Signal.New();
        await using var server = await StartAsync(transport, protocol, app => app.MapGet("/", async context =>
        {
            context.Response.ContentType = "text/plain";
            await context.Response.WriteAsync("first");
            await context.Response.Body.FlushAsync();
            await hasRead.Task;
            await context.Response.WriteAsync("second");
        }));
        using var response = await SendAsync(server, "gzip");
        await using var body = await OpenAsync(response);
        var first = new byte[5];

        await body.ReadExactlyAsync(first).DefaultTimeout();
        hasRead.TrySetResult();

        Assert.Equal("first", Encoding.ASCII.GetString(first));
        using var reader = new StreamReader(body, Encoding.UTF8);
        Assert.Equal("second", await reader.ReadToEndAsync().DefaultTimeout());
    }

    // What is compressed has no length, and HTTP/1.0 has no chunks (RFC 9112, 6.3): a reset would be no end.
    [Theory]
    [ClassData<EveryTransport>]
    public async Task To_a_client_of_http_1_0_the_end_of_the_connection_is_that_of_the_answer(
        TransportUnderTest transport)
    {
        await using var server = await StartAsync(
            transport, ClientProtocol.Http1, static app => app.MapGet("/", static () => _text));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/")
        {
            Version = HttpVersion.Version10,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Headers = { { "Accept-Encoding", "gzip" } },
        };

        using var response = await server.Client
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead).DefaultTimeout();

        Assert.Null(response.Content.Headers.ContentLength);
        Assert.Null(response.Headers.TransferEncodingChunked);
        using var reader = new StreamReader(await OpenAsync(response));
        Assert.Equal(_text, await reader.ReadToEndAsync().DefaultTimeout());
    }

    private static Task<MiddlewareServer> StartAsync(
        TransportUnderTest transport, ClientProtocol protocol, Action<WebApplication> map)
        => MiddlewareServer.StartAsync(
            transport,
            protocol,
            app =>
            {
                app.UseResponseCompression();
                map(app);
            },
            static services => services.AddResponseCompression(static options => options.EnableForHttps = true));

    private static Task<HttpResponseMessage> SendAsync(MiddlewareServer server, string encoding)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Accept-Encoding", encoding } } };
        return server.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private static async Task<Stream> OpenAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStreamAsync();
        return Assert.Single(response.Content.Headers.ContentEncoding) == "gzip"
            ? new GZipStream(body, CompressionMode.Decompress)
            : new BrotliStream(body, CompressionMode.Decompress);
    }
}
