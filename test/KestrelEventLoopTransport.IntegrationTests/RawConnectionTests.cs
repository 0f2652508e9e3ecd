using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using KestrelEventLoopTransport.IntegrationTests.Server;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>A plain socket as the client, of a ConnectionHandler and of HTTP.</summary>
public sealed class RawConnectionTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task An_echo_answers_message_by_message(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = await RawClient.ConnectAsync(server.EchoEndPoint);

        for (var round = 0; round < 200; round++)
        {
            var message = $"message {round}\n";
            await client.SendAsync(message);
            Assert.Equal(message, await client.ReceiveThroughAsync("\n"));
        }
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "18")]
    [Trait("Contract", "22")]
    public async Task After_the_client_has_shut_down_its_sending_side_it_gets_everything_and_then_the_end(
        ApplicationScheduling scheduling, int loops)
    {
        const int Length = 8_000_000;
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = await RawClient.ConnectAsync(server.EchoEndPoint);
        using var incoming = new NetworkStream(client.Socket);

        var receive = ContentHash.OfStreamAsync(incoming, HangGuard.Token);
        await new PatternStream(Length).CopyToAsync(incoming, 50_000, HangGuard.Token);
        client.Socket.Shutdown(SocketShutdown.Send);

        Assert.Equal(await ContentHash.OfPatternAsync(Length), await receive);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "18")]
    public async Task A_client_that_sends_and_shuts_down_before_it_reads_gets_everything(
        ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(async number =>
        {
            using var client = await RawClient.ConnectAsync(server.EchoEndPoint);
            var message = new string((char)('a' + number % 26), number * 500);
            await client.SendAsync(message);
            client.Socket.Shutdown(SocketShutdown.Send);
            Assert.Equal(message, await client.ReceiveTextToEndAsync());
        }));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Pipelined_requests_are_answered_in_order(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);
        var requests = new StringBuilder();
        for (var number = 0; number < 40; number++)
        {
            var body = $"body {number}.";
            var connection = number == 39 ? "close" : "keep-alive";
            requests.Append($"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\nContent-Length: "
                + $"{body.Length}\r\n\r\n{body}");
        }

        await client.SendAsync(requests.ToString());

        var responses = (await client.ReceiveTextToEndAsync()).Split(
            "HTTP/1.1 200 OK\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(40, responses.Length);
        Assert.All(
            responses, (response, number) => Assert.Contains($"body {number}.", response, StringComparison.Ordinal));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_request_that_arrives_byte_by_byte_is_answered(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);
        var request = "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: "
            + "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

        foreach (var character in request)
        {
            await client.SendAsync(character.ToString());
            await Task.Delay(1, HangGuard.Token);
        }

        var response = await client.ReceiveTextToEndAsync();
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", response, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexString(SHA256.HashData("hello"u8)), response, StringComparison.Ordinal);
    }
}
