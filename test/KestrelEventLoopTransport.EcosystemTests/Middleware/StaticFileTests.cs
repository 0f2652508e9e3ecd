using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>Files: <c>UseStaticFiles</c> with ranges, and <c>SendFileAsync</c>.</summary>
public sealed class StaticFileTests : IDisposable
{
    private const int Length = 3_000_000;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel-");
    private readonly byte[] _content = new byte[Length];

    public StaticFileTests()
    {
        new Random(42).NextBytes(_content);
        File.WriteAllBytes(FilePath, _content);
    }

    private string FilePath => Path.Combine(_directory.FullName, "content.bin");

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task A_file_and_its_ranges_arrive_as_they_are(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(transport, protocol);

        using var whole = await server.Client.GetAsync("/content.bin").DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
        AssertContent(0, Length, await whole.Content.ReadAsByteArrayAsync());

        await Task.WhenAll(
            AssertRangeAsync(server, "bytes=0-0", 0, 1),
            AssertRangeAsync(server, "bytes=1000-2500999", 1000, 2_500_000),
            AssertRangeAsync(server, "bytes=-7", Length - 7, 7),
            AssertRangeAsync(server, "bytes=2900000-", 2_900_000, 100_000),
            AssertRangeAsync(server, "bytes=2900000-9999999", 2_900_000, 100_000));
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Conditions_and_impossible_ranges_are_answered_without_the_file(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(transport, protocol);
        using var head = await server.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/content.bin"));
        Assert.Equal(Length, head.Content.Headers.ContentLength);
        var tag = head.Headers.ETag!;

        using var beyond = await SendAsync(server, "bytes=3000000-");
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
        Assert.Equal($"bytes */{Length}", beyond.Content.Headers.ContentRange!.ToString());

        using var unchanged = await SendAsync(
            server, null, headers => headers.IfNoneMatch.Add(tag));
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
        Assert.Empty(await unchanged.Content.ReadAsByteArrayAsync());

        using var same = await SendAsync(
            server, "bytes=5-9", headers => headers.IfRange = new RangeConditionHeaderValue(tag));
        Assert.Equal(HttpStatusCode.PartialContent, same.StatusCode);
        AssertContent(5, 5, await same.Content.ReadAsByteArrayAsync());

        using var changed = await SendAsync(
            server, "bytes=5-9", headers => headers.IfRange = new RangeConditionHeaderValue("\"another\""));
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        AssertContent(0, Length, await changed.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Parts_of_a_file_between_texts_keep_their_order(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await StartAsync(transport, protocol);

        await Task.WhenAll(Enumerable.Range(0, 10).Select(async i =>
        {
            var body = await server.Client.GetByteArrayAsync($"/parts?from={i}").DefaultTimeout();

            Assert.Equal("head"u8, body.AsSpan(0, 4));
            AssertContent(i, 700_000, body[4..700_004]);
            Assert.Equal("between"u8, body.AsSpan(700_004, 7));
            AssertContent(Length - 1000, 1000, body[700_011..]);
        }));
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task A_client_that_leaves_ends_the_file_that_is_sent_to_it(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        var ended = Signal.New();
        await using var server = await StartAsync(transport, protocol, ended);
        using (var response = await server.Client.GetAsync("/endless", HttpCompletionOption.ResponseHeadersRead)
            .DefaultTimeout())
        {
            await using var body = await response.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[100_000]).DefaultTimeout();
        }

        await ended.Task.DefaultTimeout();
        AssertContent(0, Length, await server.Client.GetByteArrayAsync("/content.bin").DefaultTimeout());
        Assert.DoesNotContain(server.Logs.Entries, static entry => entry.Level >= LogLevel.Error);
    }

    private static Task<HttpResponseMessage> SendAsync(
        MiddlewareServer server, string? range, Action<HttpRequestHeaders>? configure = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/content.bin");
        if (range is not null)
        {
            request.Headers.Range = RangeHeaderValue.Parse(range);
        }

        configure?.Invoke(request.Headers);
        return server.SendAsync(request);
    }

    private async Task AssertRangeAsync(MiddlewareServer server, string range, int start, int length)
    {
        using var response = await SendAsync(server, range);
        Assert.Equal(HttpStatusCode.PartialContent, response.StatusCode);
        Assert.Equal(
            $"bytes {start}-{start + length - 1}/{Length}", response.Content.Headers.ContentRange!.ToString());
        AssertContent(start, length, await response.Content.ReadAsByteArrayAsync());
    }

    private void AssertContent(int start, int length, byte[] actual)
        => Assert.True(
            actual.AsSpan().SequenceEqual(_content.AsSpan(start, length)),
            $"{actual.Length} bytes, not {length} from {start} of the file.");

    private Task<MiddlewareServer> StartAsync(
        TransportUnderTest transport, ClientProtocol protocol, TaskCompletionSource? ended = null)
        => MiddlewareServer.StartAsync(transport, protocol, app =>
        {
            app.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(_directory.FullName) });
            app.MapGet("/parts", async (int from, HttpResponse response) =>
            {
                await response.WriteAsync("head");
                await response.SendFileAsync(FilePath, from, 700_000);
                await response.WriteAsync("between");
                await response.SendFileAsync(FilePath, Length - 1000, null);
            });
            app.MapGet("/endless", async (HttpContext context) =>
            {
                while (!context.RequestAborted.IsCancellationRequested)
                {
                    await context.Response.SendFileAsync(FilePath);
                }

                ended!.TrySetResult();
            });
        });
}
