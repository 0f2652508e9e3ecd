using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>Connections that end before the request does, from either side.</summary>
public sealed class DisconnectTests
{
    private static readonly byte[] _partOfTheBody = new byte[100_000];

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "20")]
    public async Task RequestAborted_fires_when_the_client_closes_while_the_app_does_not_read(
        ApplicationScheduling scheduling, int loops)
        => await DisconnectAsync(scheduling, loops, client => client.Dispose());

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "20")]
    public async Task RequestAborted_fires_when_the_client_resets_while_the_app_does_not_read(
        ApplicationScheduling scheduling, int loops)
        => await DisconnectAsync(scheduling, loops, client => client.Reset());

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndHttp2>]
    public async Task RequestAborted_fires_when_an_HTTP2_client_cancels(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        var (started, aborted) = (Signal.New(), Signal.New());
        await using var server = await ProtocolServer.StartAsync(scheduling, 2, app => MapWait(app, started, aborted));
        using var client = server.CreateClient(protocol);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(HangGuard.Token);

        var request = client.GetAsync("/wait", cancellation.Token);
        await started.Task.WaitAsync(HangGuard.Token);
        Assert.False(aborted.Task.IsCompleted);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await aborted.Task.WaitAsync(HangGuard.Token);
        Assert.Equal("Hello, World!", await client.GetStringAsync("/plaintext", HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "21")]
    public async Task A_request_that_the_app_aborts_ends_in_a_reset(ApplicationScheduling scheduling, int loops)
    {
        var firstPartArrived = Signal.New();
        await using var server = await ProtocolServer.StartAsync(
            scheduling, loops, app => app.MapGet("/abort", async (HttpContext context) =>
        {
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync("the first part");
            await context.Response.Body.FlushAsync();
            await firstPartArrived.Task;
            context.Abort();
        }));
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);

        await client.SendAsync("GET /abort HTTP/1.1\r\nHost: localhost\r\n\r\n");

        await client.ReceiveThroughAsync("the first part");
        firstPartArrived.SetResult();
        await client.ExpectResetAsync();
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "24")]
    public async Task A_stop_ends_idle_connections_with_a_FIN(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        var clients = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => RawClient.ConnectAsync(server.Http1EndPoint)));
        foreach (var client in clients)
        {
            await client.SendAsync("GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n");
            Assert.Contains(
                "Hello, World!", await client.ReceiveThroughAsync("\r\n0\r\n\r\n"), StringComparison.Ordinal);
        }

        await server.StopAsync();

        foreach (var client in clients)
        {
            Assert.Equal("", await client.ReceiveTextToEndAsync());
            client.Dispose();
        }
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "24")]
    public async Task A_stop_lets_a_running_request_finish(ApplicationScheduling scheduling, int loops)
    {
        var (started, finish) = (Signal.New(), Signal.New());
        await using var server = await ProtocolServer.StartAsync(
            scheduling, loops, app => app.MapGet("/slow", async () =>
        {
            started.SetResult();
            await finish.Task;
            return "finished";
        }));
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);

        await client.SendAsync("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
        await started.Task.WaitAsync(HangGuard.Token);
        var stop = server.StopAsync();
        await Poll.UntilAsync(async () => !await RawClient.CanConnectAsync(server.Http1EndPoint));
        finish.SetResult();

        Assert.EndsWith("finished", (await client.ReceiveThroughAsync("finished")), StringComparison.Ordinal);
        await stop;
    }

    private static async Task DisconnectAsync(ApplicationScheduling scheduling, int loops, Action<RawClient> disconnect)
    {
        var (started, aborted) = (Signal.New(), Signal.New());
        await using var server = await ProtocolServer.StartAsync(
            scheduling, loops, app => MapWait(app, started, aborted));
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);

        await client.SendAsync("POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
        await started.Task.WaitAsync(HangGuard.Token);
        await client.SendAsync(_partOfTheBody);
        Assert.False(aborted.Task.IsCompleted);
        disconnect(client);

        await aborted.Task.WaitAsync(HangGuard.Token);
    }

    /// <summary>An endpoint that never reads its request and ends only when the request is aborted.</summary>
    private static void MapWait(WebApplication app, TaskCompletionSource started, TaskCompletionSource aborted)
        => app.Map("/wait", async (HttpContext context) =>
        {
            using var registration = context.RequestAborted.Register(aborted.SetResult);
            started.SetResult();
            await aborted.Task;
        });
}
