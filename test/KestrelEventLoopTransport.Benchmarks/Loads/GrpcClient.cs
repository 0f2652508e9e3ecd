using Grpc.Core;
using Grpc.Net.Client;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Each worker has one call under way at any time.
internal sealed class GrpcClient(GrpcShape shape, double seconds)
{
    private const int StreamLength = 100;

    private static readonly EchoMessage _message = new() { Text = "Hello, World!", Count = StreamLength };

    private int MessagesPerOperation => shape == GrpcShape.ServerStream ? StreamLength : 1;

    public async Task<LoadResult> RunAsync(Uri origin, int channels, int callsPerChannel, double rate)
    {
        var opened = Enumerable.Range(0, channels).Select(_ => Open(origin)).ToList();
        await Task.WhenAll(opened.Select(channel => channel.ConnectAsync()));
        var result = await new CallWindow(seconds).RunAsync(
            channels * callsPerChannel,
            rate / MessagesPerOperation,
            (worker, schedule) => WorkAsync(opened[worker % channels], schedule));
        opened.ForEach(channel => channel.Dispose());
        return result with { Operations = result.Operations * MessagesPerOperation };
    }

    // A handler of its own is a connection of its own.
    private static GrpcChannel Open(Uri origin)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = ServerCertificate.IsOurs;
        return GrpcChannel.ForAddress(
            origin, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    private async Task WorkAsync(GrpcChannel channel, CallSchedule schedule)
    {
        try
        {
            var client = new EchoService.EchoServiceClient(channel);
            using var duplex = shape == GrpcShape.Duplex ? client.Duplex() : null;
            await schedule.RepeatAsync(() => OperateAsync(client, duplex));
            if (duplex is not null)
            {
                await duplex.RequestStream.CompleteAsync();
                Check(!await duplex.ResponseStream.MoveNext(CancellationToken.None));
            }
        }
        catch (RpcException e)
        {
            await Console.Error.WriteLineAsync(e.Status.ToString());
            schedule.Fail();
        }
    }

    private async Task OperateAsync(
        EchoService.EchoServiceClient client,
        AsyncDuplexStreamingCall<EchoMessage, EchoMessage>? duplex)
    {
        if (duplex is not null)
        {
            await duplex.RequestStream.WriteAsync(_message);
            Check(await duplex.ResponseStream.MoveNext(CancellationToken.None));
            Check(duplex.ResponseStream.Current.Equals(_message));
        }
        else if (shape == GrpcShape.ServerStream)
        {
            using var call = client.ServerStream(_message);
            var count = 0;
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                Check(call.ResponseStream.Current.Equals(_message));
                count++;
            }

            Check(count == StreamLength);
        }
        else
        {
            Check((await client.UnaryAsync(_message)).Equals(_message));
        }
    }

    private static void Check(bool isAsExpected)
    {
        if (!isAsExpected)
        {
            throw new RpcException(new Grpc.Core.Status(StatusCode.DataLoss, "the answer differs from the message"));
        }
    }
}
