using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>
/// Uploads to handlers that read late, or never: what MaxReadBufferSize allows is taken, the rest waits, nothing is
/// lost.
/// </summary>
[Trait("Contract", "17")]
public sealed class RequestBufferingTests
{
    private const int Upload = 8 * 1024 * 1024;
    private const int KernelBuffer = 64 * 1024;

    // What both kernels' buffers of one connection hold at most when each is set to KernelBuffer (they double it).
    private const int KernelSlack = 1024 * 1024;

    // The smallest that holds a request line, small, default, larger; as long as the upload, just shorter, unlimited.
    public static MatrixTheoryData<ApplicationScheduling, long, bool> Limits
        => new(
            Enum.GetValues<ApplicationScheduling>(),
            [32, 16 * 1024, 1024 * 1024, 5 * 1024 * 1024, Upload - 1, Upload, long.MaxValue, 0],
            [false, true]);

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Limits))]
    public async Task An_upload_that_is_read_late_is_held_back_at_the_limit_and_arrives(
        ApplicationScheduling scheduling, long limit, bool tls)
    {
        var (started, goOn) = (Signal.New(), Signal.New());
        await using var server = await StartAsync(scheduling, limit, started, goOn);
        using var connection = await ConnectAsync(server, tls);
        using var pattern = new PatternStream(Upload);
        await SendHeadersAsync(connection);
        await started.Task.WaitAsync(HangGuard.Token);

        var sent = 0L;
        var send = SendAsync();
        if (limit is 0 || limit >= Upload - 1)
        {
            // All of it is taken before a byte is read.
            await send.WaitAsync(HangGuard.Token);
        }
        else
        {
            while (Interlocked.Read(ref sent) < limit)
            {
                await Task.Delay(5, HangGuard.Token);
            }

            Assert.InRange(await SettledAsync(), limit, limit + KernelSlack);
        }

        goOn.SetResult();

        Assert.EndsWith(await ContentHash.OfPatternAsync(Upload), await connection.ReceiveTextToEndAsync());
        await send.WaitAsync(HangGuard.Token);

        async Task SendAsync()
        {
            var chunk = new byte[16 * 1024];
            for (int n; (n = pattern.Read(chunk)) > 0;)
            {
                await connection.SendAsync(chunk.AsMemory(0, n));
                Interlocked.Add(ref sent, n);
            }
        }

        async Task<long> SettledAsync()
        {
            while (true)
            {
                var before = Interlocked.Read(ref sent);
                await Task.Delay(100, HangGuard.Token);
                if (before == Interlocked.Read(ref sent))
                {
                    return before;
                }
            }
        }
    }

    // Better than stock, where a receive that has paused for its reader often does not hear of the abort, nor the
    // handler.
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "24")]
    [FailsOnStock("On stock, a receive that waits for its reader often does not hear of the abort.")]
    public async Task A_stop_ends_an_upload_that_is_held_back(ApplicationScheduling scheduling)
    {
        const int Limit = 16 * 1024;
        var started = Signal.New();
        var outcome = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await ProtocolServer.StartAsync(
            scheduling,
            2,
            app => app.MapPost("/never", async (HttpContext http) =>
            {
                started.SetResult();
                outcome.SetResult(await Record.ExceptionAsync(() => Task.Delay(Timeout.Infinite, http.RequestAborted)));
            }),
            services => services.Configure<HostOptions>(
                static options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(100)),
            static options => options.MaxReadBufferSize = Limit);
        using var connection = await ConnectAsync(server, tls: false);
        await connection.SendAsync($"POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: {Upload}\r\n\r\n");
        await started.Task.WaitAsync(HangGuard.Token);
        var send = connection.SendAsync(new byte[Upload]);

        await server.StopAsync();

        Assert.IsAssignableFrom<OperationCanceledException>(await outcome.Task.WaitAsync(HangGuard.Token));
        await Assert.ThrowsAsync<SocketException>(() => send);
    }

    /// <summary>
    /// The client reads only after it has sent everything, the handler reads only after it has written everything.
    /// </summary>
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task A_handler_that_writes_before_it_reads_and_a_client_that_does_so_too_finish(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        // An HTTP/2 client must not send more than Kestrel's window of 768 KiB before the handler reads.
        var http2 = protocol is ClientProtocol.Http2PriorKnowledge or ClientProtocol.Http2OverTls;
        var upload = http2 ? 600_000 : 900_000;
        const int Download = 8_000_000;
        await using var server = await ProtocolServer.StartAsync(
            scheduling, 2, app => app.MapPost("/both", async (HttpContext http) =>
        {
            await new PatternStream(Download).CopyToAsync(http.Response.Body, 64 * 1024, http.RequestAborted);
            var hash = await ContentHash.OfPipeAsync(http.Request.BodyReader, http.RequestAborted);
            await http.Response.WriteAsync(hash, http.RequestAborted);
        }));
        var expected = await ContentHash.OfPatternAsync(upload);
        if (http2)
        {
            using var client = server.CreateClient(protocol);
            using var content = new StreamContent(new PatternStream(upload));
            using var request = new HttpRequestMessage(HttpMethod.Post, "/both")
            {
                Content = content,
                Version = System.Net.HttpVersion.Version20,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            using var response = await client.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, HangGuard.Token);
            Assert.EndsWith(
                expected, Encoding.Latin1.GetString(await response.Content.ReadAsByteArrayAsync(HangGuard.Token)));
            return;
        }

        using var connection = await ConnectAsync(server, protocol == ClientProtocol.Http1OverTls);
        await connection.SendAsync(
            $"POST /both HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {upload}\r\n\r\n");
        using var pattern = new MemoryStream();
        await new PatternStream(upload).CopyToAsync(pattern, HangGuard.Token);
        await connection.SendAsync(pattern.ToArray());

        Assert.EndsWith(expected + "\r\n0\r\n\r\n", await connection.ReceiveTextToEndAsync());
    }

    private static Task<ProtocolServer> StartAsync(
        ApplicationScheduling scheduling, long limit, TaskCompletionSource started, TaskCompletionSource goOn)
        => ProtocolServer.StartAsync(
            scheduling,
            2,
            app => app.MapPost("/late", async (HttpContext http) =>
            {
                http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
                http.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket.ReceiveBufferSize = KernelBuffer;
                started.SetResult();
                await goOn.Task;
                var hash = await ContentHash.OfPipeAsync(http.Request.BodyReader, http.RequestAborted);
                http.Response.ContentLength = hash.Length;
                await http.Response.WriteAsync(hash, http.RequestAborted);
            }),
            null,
            options => options.MaxReadBufferSize = limit == 0 ? null : limit);

    private static Task SendHeadersAsync(RawClient connection)
        => connection.SendAsync(
            $"POST /late HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {Upload}\r\n\r\n");

    private static Task<RawClient> ConnectAsync(ProtocolServer server, bool tls)
        => RawClient.ConnectAsync(
            tls ? server.HttpsEndPoint : server.Http1EndPoint,
            static socket => socket.SendBufferSize = KernelBuffer,
            tls);
}
