using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>
/// What is received before anybody reads it: as much as MaxReadBufferSize, so that a client may send first and read
/// afterwards.
/// </summary>
[Trait("Contract", "17")]
[Trait("Contract", "29")]
[Slow]
public sealed class ReadAheadTests
{
    private const int KernelBuffer = 64 * 1024;

    // What both kernels' buffers of one connection hold at most when each is set to KernelBuffer (they double it).
    private const int KernelSlack = 1024 * 1024;

    // Sent where there is no limit.
    private const int Plenty = 40 * 1024 * 1024;

    public static MatrixTheoryData<ApplicationScheduling, int> SchedulingsAndLimits
        => new(Enum.GetValues<ApplicationScheduling>(), [64 * 1024, 1024 * 1024, 5 * 1024 * 1024, 32 * 1024 * 1024, 0]);

    public static MatrixTheoryData<ApplicationScheduling, int> SchedulingsAndShortLimits
        => new(Enum.GetValues<ApplicationScheduling>(), [64 * 1024, 1024 * 1024, 5 * 1024 * 1024, 0]);

    [Theory]
    [MemberData(nameof(SchedulingsAndLimits))]
    public async Task A_peer_can_send_MaxReadBufferSize_and_no_more_while_nobody_reads(
        ApplicationScheduling scheduling, int limit)
    {
        await using var transport = new TestTransport(
            scheduling, options => options.MaxReadBufferSize = limit == 0 ? null : limit);
        await using var pair = await transport.ConnectAsync(
            null, static socket => socket.SendBufferSize = KernelBuffer);
        pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.ReceiveBufferSize = KernelBuffer;

        var sent = await SendWhatFitsAsync(pair.Client, limit == 0 ? Plenty : limit);

        if (limit != 0)
        {
            Assert.InRange(sent, limit, limit + KernelSlack);
            Assert.InRange(transport.Pools.Outstanding * CountingMemoryPool.BlockSize, 0, limit + KernelSlack);
        }

        await AssertReadsAsync(pair.Input, sent);
    }

    [Theory]
    [MemberData(nameof(SchedulingsAndShortLimits))]
    public async Task The_body_of_a_request_is_received_while_the_handler_does_not_read(
        ApplicationScheduling scheduling, int limit)
    {
        const int Unlimited = 12 * 1024 * 1024;
        var upload = (limit == 0 ? Unlimited : limit) + (4 * 1024 * 1024);
        var (started, goOn) = (Signal.New(), Signal.New());
        var length = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = options => options.MaxReadBufferSize = limit == 0 ? null : limit,
            Kestrel = static kestrel =>
            {
                kestrel.Limits.MaxRequestBodySize = null;
                kestrel.Limits.MinRequestBodyDataRate = null;
            },
            App = async http =>
            {
                http.Features.Get<IConnectionSocketFeature>()!.Socket.ReceiveBufferSize = KernelBuffer;
                started.SetResult();
                await goOn.Task;
                length.SetResult(await ReaderOutcomeTests.ReadToEndAsync(http.Request.BodyReader));
            },
        });
        using var client = await server.ConnectAsync(static socket => socket.SendBufferSize = KernelBuffer);
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {upload}\r\n\r\n");
        await started.Task.DefaultTimeout();

        var sent = await SendWhatFitsAsync(client, limit == 0 ? Unlimited : limit);

        if (limit != 0)
        {
            Assert.InRange(sent, limit, limit + KernelSlack);
        }

        goOn.SetResult();
        await client.SendAsync(new byte[upload - sent]);
        Assert.Equal(upload, await length.Task.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_reads_only_after_it_has_sent_is_served_by_a_handler_that_writes_before_it_reads(
        ApplicationScheduling scheduling)
    {
        const int Upload = 900_000;
        const int Download = 8_000_000;
        await using var server = await TestServer.StartHttpAsync(scheduling, static async http =>
        {
            http.Response.ContentLength = Download + 4;
            await http.Response.Body.WriteAsync(Pattern.Create(Download));
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            Assert.Equal(Upload, body.Length);
            Pattern.AssertMatches(body.ToArray());
            await http.Response.Body.WriteAsync("done"u8.ToArray());
        });
        using var client = await server.ConnectAsync(static socket =>
        {
            socket.SendBufferSize = KernelBuffer;
            socket.ReceiveBufferSize = KernelBuffer;
        });

        await client.SendAsync($"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {Upload}\r\n\r\n");
        await client.SendAsync(Pattern.Create(Upload));

        var response = await client.ReceiveToEndAsync();
        Assert.StartsWith("HTTP/1.1 200 ", Encoding.ASCII.GetString(response, 0, 13));
        Assert.EndsWith("done", Encoding.ASCII.GetString(response, response.Length - 4, 4));
        Pattern.AssertMatches(response.AsSpan()[^(Download + 4)..^4]);
    }

    // The same between two that speak no HTTP.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_that_waits_does_not_stop_the_receiving(ApplicationScheduling scheduling)
    {
        const int Length = 900_000;
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync(
            null, static socket => socket.SendBufferSize = KernelBuffer);
        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 64 * 1024);

        await pair.Client.SendAsync(Pattern.Create(Length));

        Assert.False(flush.IsCompleted);
        Pattern.AssertMatches(await pair.Client.ReceiveExactlyAsync((int)written));
        await flush.DefaultTimeout();
        await AssertReadsAsync(pair.Input, Length);
    }

    /// <summary>Sends the pattern: <paramref name="least"/> bytes, and then what the other side still takes.</summary>
    internal static async Task<long> SendWhatFitsAsync(RawClient client, long least)
    {
        var socket = client.Socket;
        socket.Blocking = false;
        var chunk = new byte[16 * 1024];
        var sent = 0L;
        while (sent < least)
        {
            await Poll.UntilAsync(
                () => socket.Poll(0, SelectMode.SelectWrite), () => $"{sent} of {least} bytes were taken.");
            sent += SendChunk(sent);
        }

        // How long it takes to be sure decides only how much is seen above: never a failure where there is none.
        var most = least + (2 * KernelSlack);
        while (sent < most && socket.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectWrite))
        {
            sent += SendChunk(sent);
        }

        return sent;

        int SendChunk(long offset)
        {
            Pattern.Fill(chunk, 0, offset);
            var n = socket.Send(chunk, SocketFlags.None, out var error);
            return error == SocketError.Success ? n : 0;
        }
    }

    private static async Task AssertReadsAsync(System.IO.Pipelines.PipeReader input, long length)
    {
        for (var received = 0L; received < length;)
        {
            var result = await input.ReadAsync().DefaultTimeout();
            Assert.False(result.IsCompleted);
            foreach (var segment in result.Buffer)
            {
                Pattern.AssertMatches(segment.Span, 0, received);
                received += segment.Length;
            }

            input.AdvanceTo(result.Buffer.End);
        }
    }
}
