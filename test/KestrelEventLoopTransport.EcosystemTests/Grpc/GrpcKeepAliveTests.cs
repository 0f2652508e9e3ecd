using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary>
/// PING frames of HTTP/2 (RFC 9113, 6.7) on a connection whose only call says nothing. A second is the shortest time
/// that both sides allow between two of them: all transports wait for it at once, with TLS and without.
/// </summary>
public sealed class GrpcKeepAliveTests
{
    // The client preface and an empty SETTINGS frame (RFC 9113, 3.4).
    private static readonly byte[] _preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0];

    [Fact]
    public Task The_server_answers_the_client_s_pings() => AtOnceAsync(static async (transport, protocol) =>
    {
        await using var server = await GrpcServer.StartAsync(
            transport,
            protocol,
            static handler =>
            {
                handler.KeepAlivePingDelay = TimeSpan.FromSeconds(1);
                return handler;
            },
            level: LogLevel.Trace);

        await WaitAsync(server, "received PING", "sending PING");
    });

    [Fact]
    public Task The_client_answers_the_server_s_pings() => AtOnceAsync(static async (transport, protocol) =>
    {
        await using var server = await GrpcServer.StartAsync(
            transport,
            protocol,
            kestrel: static options => options.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(1),
            level: LogLevel.Trace);

        await WaitAsync(server, "sending PING", "received PING");
    });

    [Fact]
    public Task A_client_that_does_not_answer_pings_is_closed() => EveryTransport.AtOnceAsync(static async transport =>
    {
        await using var server = await GrpcServer.StartAsync(
            transport,
            ClientProtocol.Http2PriorKnowledge,
            kestrel: static options =>
            {
                options.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(1);
                options.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(1);
            });
        using var client = await server.Server.ConnectAsync();
        await client.SendAsync(_preface);

        await client.ReceiveUntilGoneAsync();
    });

    private static Task AtOnceAsync(Func<TransportUnderTest, ClientProtocol, Task> test)
        => EveryTransport.AtOnceAsync(transport => Task.WhenAll(
            EveryTransportAndHttp2.Protocols.Select(protocol => test(transport, protocol))));

    /// <summary>Waits for a ping and its answer, while a call is under way that lives on.</summary>
    private static async Task WaitAsync(GrpcServer server, string ping, string answer)
    {
        using var call = server.Client.Converse();
        await call.RequestStream.WriteAsync(new Message { Number = 1 }).DefaultTimeout();
        await Poll.UntilAsync(() => Has($"{ping} frame", "flags NONE") && Has($"{answer} frame", "flags ACK"));

        await call.RequestStream.WriteAsync(new Message { Number = 1 }).DefaultTimeout();
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
        Assert.Equal(2, call.ResponseStream.Current.Number);
        Assert.False(await call.ResponseStream.MoveNext().DefaultTimeout());

        bool Has(string frame, string flags) => server.Server.Logs.Entries.Any(entry =>
            entry.Message.Contains(frame, StringComparison.Ordinal)
            && entry.Message.Contains(flags, StringComparison.Ordinal));
    }
}
