using Grpc.Core;
using GrpcStatus = Grpc.Core.Status;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary>How gRPC calls end before their time; the connection goes on in each case.</summary>
public sealed class GrpcEndTests
{
    private const int Messages = 10;

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task A_deadline_ends_the_call_on_both_sides(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        await server.AssertServesAsync();
        using var call = await WaitAsync(server.Client);

        await AssertBothSeeAsync(server, call.ResponseStream, StatusCode.DeadlineExceeded);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_server_sees_that_the_client_cancels(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client.Wait(new Message(), cancellationToken: cancellation.Token);
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        await cancellation.CancelAsync();

        await AssertBothSeeAsync(server, call.ResponseStream, StatusCode.Cancelled);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_server_sees_that_the_client_cancels_while_it_sends(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client.Converse(cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(new Message { Number = 1 }).DefaultTimeout();
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        await cancellation.CancelAsync();

        await AssertBothSeeAsync(server, call.ResponseStream, StatusCode.Cancelled);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_server_sees_that_the_client_is_gone(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Wait(new Message());
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        server.CloseClient();

        await server.Calls.Cancelled.Task.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task The_client_gets_all_messages_before_the_server_cancels(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Cancel(new Message { Number = Messages });
        for (var i = 0; i < Messages; i++)
        {
            Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
            Assert.Equal(i, call.ResponseStream.Current.Number);
        }

        var failure = await ReadToFailureAsync(call.ResponseStream);

        Assert.Equal(new GrpcStatus(StatusCode.Cancelled, "by the server"), failure.Status);
        Assert.Equal("all", failure.Trailers.GetValue("after"));
        await server.AssertServesAsync();
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task A_call_that_the_server_aborts_fails_and_the_next_does_not(
        TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await GrpcServer.StartAsync(transport, protocol);
        using var call = server.Client.Abort(new Message { Number = Messages });

        // A reset of the stream may overtake messages.
        var failure = await ReadToFailureAsync(call.ResponseStream);

        Assert.NotEqual(StatusCode.OK, failure.StatusCode);
        Assert.NotEqual(StatusCode.DeadlineExceeded, failure.StatusCode);
        await server.AssertServesAsync();
    }

    /// <summary>A call with a deadline that has not passed when the server begins to answer.</summary>
    private static async Task<AsyncServerStreamingCall<Message>> WaitAsync(Shapes.ShapesClient client)
    {
        for (var time = TimeSpan.FromSeconds(0.2); ; time *= 2)
        {
            var call = client.Wait(new Message(), deadline: DateTime.UtcNow + time);
            try
            {
                Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
                return call;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.DeadlineExceeded)
            {
                // A slow machine's.
                call.Dispose();
            }
        }
    }

    /// <summary>The call ends with the status, the server knows it, and the connection goes on.</summary>
    private static async Task AssertBothSeeAsync(
        GrpcServer server, IAsyncStreamReader<Message> stream, StatusCode status)
    {
        Assert.Equal(status, (await ReadToFailureAsync(stream)).StatusCode);
        await server.Calls.Cancelled.Task.DefaultTimeout();
        await server.AssertServesAsync();
    }

    private static Task<RpcException> ReadToFailureAsync(IAsyncStreamReader<Message> stream)
        => Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await stream.MoveNext())
            {
            }
        }).DefaultTimeout();
}
