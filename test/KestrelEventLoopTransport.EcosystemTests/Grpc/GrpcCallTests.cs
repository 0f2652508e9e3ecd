using Google.Protobuf;
using Grpc.Core;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary><c>Grpc.AspNetCore</c>: calls of every shape, whole and in order.</summary>
public sealed class GrpcCallTests
{
    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Unary_calls_are_answered(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);

        for (var i = 0; i < 100; i++)
        {
            var sent = CreateMessage(i, length: i * 100);
            Assert.Equal(sent, await server.Client.UnaryAsync(sent).ResponseAsync.DefaultTimeout());
        }
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_server_streams(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Download(new Message { Number = 1000 });

        Assert.Equal(Enumerable.Range(0, 1000), await ReadNumbersAsync(call.ResponseStream).DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_client_streams(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Upload();
        for (var i = 0; i < 1000; i++)
        {
            await call.RequestStream.WriteAsync(new Message { Number = i }).DefaultTimeout();
        }

        await call.RequestStream.CompleteAsync().DefaultTimeout();

        Assert.Equal(999 * 1000 / 2, (await call.ResponseAsync.DefaultTimeout()).Number);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Both_stream_in_turns(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Converse();

        for (var i = 1; i <= 100; i++)
        {
            await call.RequestStream.WriteAsync(new Message { Number = i }).DefaultTimeout();
            Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
            Assert.Equal(i * (i + 1) / 2, call.ResponseStream.Current.Number);
        }

        await call.RequestStream.CompleteAsync().DefaultTimeout();
        Assert.False(await call.ResponseStream.MoveNext().DefaultTimeout());
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Messages_of_4_MB_arrive_whole(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        var sent = CreateMessage(1, 4 * GrpcServer.Megabyte);

        var calls = Enumerable.Range(0, 2).Select(_ => server.Client.UnaryAsync(sent).ResponseAsync.DefaultTimeout());

        Assert.All(await Task.WhenAll(calls), received => Assert.Equal(sent.Content, received.Content));
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Messages_are_compressed_both_ways(TransportUnderTest transport, ClientProtocol protocol)
    {
        var encoding = new ResponseEncoding();
        await using var server = await GrpcServer.StartAsync(
            transport,
            protocol,
            handler =>
            {
                encoding.InnerHandler = handler;
                return encoding;
            },
            static service => service.ResponseCompressionAlgorithm = "gzip");
        var sent = new Message { Content = ByteString.CopyFrom(new byte[GrpcServer.Megabyte]) };
        var metadata = new Metadata { { "grpc-internal-encoding-request", "gzip" } };

        var received = await server.Client.UnaryAsync(sent, metadata).ResponseAsync.DefaultTimeout();

        Assert.Equal(sent, received);
        Assert.Equal("gzip", server.Calls.RequestEncoding);
        Assert.Equal("gzip", encoding.Last);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Two_hundred_calls_are_there_at_once(TransportUnderTest transport, ClientProtocol protocol)
    {
        const int Calls = 200;
        await using var server = await GrpcServer.StartAsync(
            transport, protocol, kestrel: static options => options.Limits.Http2.MaxStreamsPerConnection = Calls);

        // None is answered before the last is there.
        var calls = Enumerable.Range(0, Calls)
            .Select(_ => server.Client.MeetAsync(new Message { Number = Calls }).ResponseAsync.DefaultTimeout());

        Assert.All(await Task.WhenAll(calls), static answer => Assert.Equal(Calls, answer.Number));
    }

    private static Message CreateMessage(int number, int length)
        => new() { Number = number, Content = UnsafeByteOperations.UnsafeWrap(Pattern.Create(length, number)) };

    private static async Task<List<int>> ReadNumbersAsync(IAsyncStreamReader<Message> stream)
    {
        var numbers = new List<int>();
        await foreach (var message in stream.ReadAllAsync())
        {
            numbers.Add(message.Number);
        }

        return numbers;
    }

    /// <summary>Keeps the encoding of the server's messages, which the client's API does not show.</summary>
    private sealed class ResponseEncoding : DelegatingHandler
    {
        public string? Last { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            Last = Assert.Single(response.Headers.GetValues("grpc-encoding"));
            return response;
        }
    }
}
