using Grpc.Core;
using Grpc.Net.Client.Web;
using GrpcStatus = Grpc.Core.Status;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary><c>Grpc.AspNetCore.Web</c>, in both modes: trailers are in the body, so that HTTP/1.1 will do.</summary>
public sealed class GrpcWebTests
{
    public static MatrixTheoryData<TransportUnderTest, ClientProtocol, GrpcWebMode> Modes => new(
        EveryTransport.Values,
        [
            ClientProtocol.Http1, ClientProtocol.Http1OverTls,
            ClientProtocol.Http2PriorKnowledge, ClientProtocol.Http2OverTls,
        ],
        Enum.GetValues<GrpcWebMode>());

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Calls_are_answered_and_streamed(
        TransportUnderTest transport, ClientProtocol protocol, GrpcWebMode mode)
    {
        await using var server = await GrpcServer.StartAsync(
            transport, protocol, handler => new GrpcWebHandler(mode, handler));

        await server.AssertServesAsync();
        using var call = server.Client.Cancel(new Message { Number = 300 });
        for (var i = 0; i < 300; i++)
        {
            Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
            Assert.Equal(i, call.ResponseStream.Current.Number);
        }

        var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext()).DefaultTimeout();
        Assert.Equal(new GrpcStatus(StatusCode.Cancelled, "by the server"), failure.Status);
        Assert.Equal("all", failure.Trailers.GetValue("after"));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task The_server_sees_that_the_client_cancels(
        TransportUnderTest transport, ClientProtocol protocol, GrpcWebMode mode)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol, handler =>
        {
            // It would wait for the rest of the answer to use the connection again.
            handler.ResponseDrainTimeout = TimeSpan.Zero;
            return new GrpcWebHandler(mode, handler);
        });
        using var call = server.Client.Wait(new Message());
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        call.Dispose();

        await server.Calls.Cancelled.Task.DefaultTimeout();
    }
}
