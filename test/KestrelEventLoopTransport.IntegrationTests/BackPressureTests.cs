using System.Net.Sockets;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>
/// One side stops reading: the other must be held back by TCP, and nothing may be lost.
/// </summary>
[Trait("Contract", "17")]
public sealed class BackPressureTests
{
    private const long Length = 200L * 1024 * 1024;

    /// <summary>Far more than the kernel's and the server's buffers hold together, far less than is sent.</summary>
    private const long MostInBuffers = 64L * 1024 * 1024;

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_sends_is_held_back_until_the_app_reads(ApplicationScheduling scheduling)
    {
        var (started, goOn) = (Signal.New(), Signal.New());
        await using var server = await ProtocolServer.StartAsync(
            scheduling, 2, app => app.MapPost("/late-upload", async (HttpContext context) =>
        {
            context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
            started.SetResult();
            await goOn.Task.WaitAsync(context.RequestAborted);
            return await ContentHash.OfPipeAsync(context.Request.BodyReader, context.RequestAborted);
        }));
        using var client = server.CreateClient(ClientProtocol.Http1);
        using var pattern = new PatternStream(Length);

        var upload = client.PostAsync("/late-upload", new StreamContent(pattern), HangGuard.Token);
        await started.Task.WaitAsync(HangGuard.Token);
        Assert.InRange(await SettledAsync(() => pattern.Position), 1, MostInBuffers);
        goOn.SetResult();

        using var response = await upload;
        Assert.Equal(
            await ContentHash.OfPatternAsync(Length), await response.Content.ReadAsStringAsync(HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EveryScheduling>]
    public async Task An_app_that_sends_is_held_back_until_the_client_reads(ApplicationScheduling scheduling)
    {
        using var pattern = new PatternStream(Length);
        await using var server = await ProtocolServer.StartAsync(
            scheduling, 2, app => app.MapGet("/watched-download", async (HttpContext context) =>
        {
            context.Response.ContentLength = Length;
            await pattern.CopyToAsync(context.Response.Body, 64 * 1024, context.RequestAborted);
        }));
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);

        await client.SendAsync("GET /watched-download HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Assert.InRange(await SettledAsync(() => pattern.Position), 1, MostInBuffers);

        using var incoming = new NetworkStream(client.Socket);
        await SkipHeadersAsync(incoming);
        Assert.Equal(
            await ContentHash.OfPatternAsync(Length), await ContentHash.OfStreamAsync(incoming, HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Slow_readers_get_every_byte_and_hold_up_nobody(ApplicationScheduling scheduling, int loops)
    {
        const int Readers = 32;
        const int Bytes = 2_000_000;
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = server.CreateClient(ClientProtocol.Http1);
        var othersServed = Signal.New();

        var readers = Enumerable.Range(0, Readers).Select(ReadSlowlyAsync).ToArray();
        for (var request = 0; request < 500; request++)
        {
            Assert.Equal("Hello, World!", await client.GetStringAsync("/plaintext", HangGuard.Token));
        }

        othersServed.SetResult();
        var expected = await ContentHash.OfPatternAsync(Bytes);
        Assert.All(await Task.WhenAll(readers), hash => Assert.Equal(expected, hash));

        // Reads in small pieces, and not to its end before the others have been served.
        async Task<string> ReadSlowlyAsync(int number)
        {
            var random = new Random(number);
            using var connection = await RawClient.ConnectAsync(
                server.Http1EndPoint, static socket => socket.ReceiveBufferSize = 16 * 1024);
            await connection.SendAsync(
                $"GET /download?bytes={Bytes} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            using var incoming = new NetworkStream(connection.Socket);
            await SkipHeadersAsync(incoming);
            using var content = new MemoryStream();
            var buffer = new byte[20_000];
            ValueTask<int> ReadSomeAsync()
                => incoming.ReadAsync(buffer.AsMemory(0, random.Next(1, buffer.Length)), HangGuard.Token);

            for (int count; (count = await ReadSomeAsync()) > 0;)
            {
                content.Write(buffer, 0, count);
                if (content.Length > Bytes / 10)
                {
                    await othersServed.Task.WaitAsync(HangGuard.Token);
                }
                else
                {
                    await Task.Delay(random.Next(0, 5), HangGuard.Token);
                }
            }

            content.Position = 0;
            return await ContentHash.OfStreamAsync(content, HangGuard.Token);
        }
    }

    /// <summary>Waits until a count that has begun no longer grows.</summary>
    private static async Task<long> SettledAsync(Func<long> count)
    {
        long before;
        long now = 0;
        do
        {
            before = now;
            await Task.Delay(500, HangGuard.Token);
            now = count();
        }
        while (now == 0 || now != before);
        return now;
    }

    private static async Task SkipHeadersAsync(NetworkStream stream)
    {
        var character = new byte[1];
        for (var line = ""; line != "\r\n";)
        {
            line = "";
            while (!line.EndsWith('\n'))
            {
                await stream.ReadExactlyAsync(character, HangGuard.Token);
                line += (char)character[0];
            }
        }
    }
}
