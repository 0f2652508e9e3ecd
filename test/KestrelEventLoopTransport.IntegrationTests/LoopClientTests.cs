using System.Net.WebSockets;
using Grpc.Core;
using Grpc.Net.Client;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>What stands above HttpClient, over connections that are on the server's loops.</summary>
[Trait("Contract", "client")]
public sealed class LoopClientTests
{
    private const long Mebibyte = 1024 * 1024;

    public static MatrixTheoryData<ApplicationScheduling, HttpTransportType> Transports => new(
        EveryScheduling.Values,
        [HttpTransportType.WebSockets, HttpTransportType.ServerSentEvents, HttpTransportType.LongPolling]);

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Sixty_four_MiB_go_up_and_come_down(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        const long Length = 64 * Mebibyte;
        await using var server = await ProtocolServer.StartAsync(scheduling, 1);
        using var client = server.CreateLoopClient(protocol);
        using var content = new StreamContent(new PatternStream(Length), bufferSize: 64 * 1024);

        using var response = await client.PostAsync("/upload", content, HangGuard.Token);
        await using var download = await client.GetStreamAsync($"/download?bytes={Length}", HangGuard.Token);

        var expected = await ContentHash.OfPatternAsync(Length);
        Assert.Equal(expected, await response.Content.ReadAsStringAsync(HangGuard.Token));
        Assert.Equal(expected, await ContentHash.OfStreamAsync(download, HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndHttp2>]
    public async Task Grpc_calls_of_every_shape_are_answered(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await StartGrpcAsync(scheduling, new NumbersCalls());
        using var channel = OpenChannel(server, protocol);
        var client = new Numbers.NumbersClient(channel);

        var doubled = await client.DoubleAsync(new Number { Value = 21 }, cancellationToken: HangGuard.Token);
        Assert.Equal(42, doubled.Value);
        using var count = client.Count(new Number { Value = 1000 }, cancellationToken: HangGuard.Token);
        var counted = await count.ResponseStream.ReadAllAsync(HangGuard.Token).Select(number => number.Value)
            .ToListAsync(HangGuard.Token);
        Assert.Equal(Enumerable.Range(0, 1000), counted);
        using var sum = client.Sum(cancellationToken: HangGuard.Token);
        for (var i = 1; i <= 100; i++)
        {
            await sum.RequestStream.WriteAsync(new Number { Value = i }, HangGuard.Token);
            Assert.True(await sum.ResponseStream.MoveNext(HangGuard.Token));
            Assert.Equal(i * (i + 1) / 2, sum.ResponseStream.Current.Value);
        }

        await sum.RequestStream.CompleteAsync();
        Assert.False(await sum.ResponseStream.MoveNext(HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task A_grpc_call_that_is_canceled_ends_on_both_sides(ApplicationScheduling scheduling)
    {
        var calls = new NumbersCalls();
        await using var server = await StartGrpcAsync(scheduling, calls);
        using var channel = OpenChannel(server, ClientProtocol.Http2PriorKnowledge);
        var client = new Numbers.NumbersClient(channel);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(HangGuard.Token);
        using var count = client.Count(new Number { Value = -1 }, cancellationToken: cancellation.Token);
        Assert.True(await count.ResponseStream.MoveNext(HangGuard.Token));

        await cancellation.CancelAsync();

        var failure = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await count.ResponseStream.MoveNext(HangGuard.Token))
            {
            }
        });
        Assert.Equal(StatusCode.Cancelled, failure.StatusCode);
        await calls.Canceled.Task.WaitAsync(HangGuard.Token);
        Assert.Equal(2, (await client.DoubleAsync(new Number { Value = 1 }, cancellationToken: HangGuard.Token)).Value);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Transports))]
    public async Task SignalR_s_client_gets_its_answers(ApplicationScheduling scheduling, HttpTransportType transport)
    {
        await using var server = await ProtocolServer.StartAsync(
            scheduling,
            2,
            static app => app.MapHub<EchoHub>("/hub"),
            static services => services.AddSignalR());
        using var invoker = new HttpMessageInvoker(server.CreateLoopHandler());
        await using var hub = new HubConnectionBuilder().WithUrl(
            server.Url(ClientProtocol.Http1, "/hub"),
            transport,
            options =>
            {
                options.HttpMessageHandlerFactory = _ => server.CreateLoopHandler();
                options.WebSocketFactory = async (context, cancellationToken) =>
                {
                    var socket = new ClientWebSocket();
                    await socket.ConnectAsync(context.Uri, invoker, cancellationToken);
                    return socket;
                };
            }).Build();
        var shouted = Signal.New();
        using var subscription = hub.On<string>("Shout", _ => shouted.TrySetResult());

        await hub.StartAsync(HangGuard.Token);
        var text = new string('a', 10_000);
        Assert.Equal(text, await hub.InvokeAsync<string>("EchoAsync", text, HangGuard.Token));
        await shouted.Task.WaitAsync(HangGuard.Token);
        await hub.StopAsync(HangGuard.Token);
    }

    private static Task<ProtocolServer> StartGrpcAsync(ApplicationScheduling scheduling, NumbersCalls calls)
        => ProtocolServer.StartAsync(
            scheduling,
            2,
            static app => app.MapGrpcService<NumbersService>(),
            services => services.AddSingleton(calls).AddGrpc());

    private static GrpcChannel OpenChannel(ProtocolServer server, ClientProtocol protocol) => GrpcChannel.ForAddress(
        server.Address(protocol),
        new GrpcChannelOptions { HttpHandler = server.CreateLoopHandler(), DisposeHttpClient = true });

    public sealed class EchoHub : Hub
    {
        public async Task<string> EchoAsync(string text)
        {
            await Clients.All.SendAsync("Shout", text);
            return text;
        }
    }
}
