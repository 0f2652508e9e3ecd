using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Each worker has one call under way at any time. At a rate, each has its schedule, shifted against the others'; it
// sends what is due within a millisecond, as far as timers are exact, and latency counts from the sending.
internal sealed class GrpcClient(GrpcShape shape, double seconds)
{
    private const int StreamLength = 100;

    // The client's own JIT is not what is measured.
    private const double ShareWithoutLatencies = 0.5;

    private static readonly EchoMessage _message = new() { Text = "Hello, World!", Count = StreamLength };

    private readonly Stopwatch _clock = new();

    private int MessagesPerOperation => shape == GrpcShape.ServerStream ? StreamLength : 1;

    public async Task<LoadResult> RunAsync(Uri origin, int channels, int callsPerChannel, double rate)
    {
        var opened = Enumerable.Range(0, channels).Select(_ => Open(origin)).ToList();
        var workers = channels * callsPerChannel;
        var interval = rate > 0 ? workers * MessagesPerOperation / rate : 0;
        await Task.WhenAll(opened.Select(channel => channel.ConnectAsync()));
        _clock.Start();
        var results = await Task.WhenAll(Enumerable.Range(0, workers).Select(worker =>
            Task.Run(() => WorkAsync(opened[worker % channels], interval, interval * worker / workers))));
        var elapsed = _clock.Elapsed.TotalSeconds;
        opened.ForEach(channel => channel.Dispose());

        var latencies = results.SelectMany(result => result.Latencies).Order().ToList();
        return new LoadResult(
            results.Sum(result => result.Operations) * MessagesPerOperation,
            0,
            elapsed,
            results.Sum(result => result.Errors),
            Latencies.Of(latencies));
    }

    // A handler of its own is a connection of its own.
    private static GrpcChannel Open(Uri origin)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = ServerCertificate.IsOurs;
        return GrpcChannel.ForAddress(
            origin, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    private async Task<(long Operations, long Errors, List<double> Latencies)> WorkAsync(
        GrpcChannel channel,
        double interval,
        double due)
    {
        var latencies = new List<double>();
        var operations = 0L;
        try
        {
            var client = new EchoService.EchoServiceClient(channel);
            using var duplex = shape == GrpcShape.Duplex ? client.Duplex() : null;
            while (true)
            {
                var early = due - _clock.Elapsed.TotalSeconds;
                if (early > 0)
                {
                    await Task.Delay(TimeSpan.FromSeconds(early));
                }

                var began = _clock.Elapsed.TotalSeconds;
                if (began >= seconds)
                {
                    break;
                }

                await OperateAsync(client, duplex);
                operations++;
                due += interval;
                if (began >= seconds * ShareWithoutLatencies)
                {
                    latencies.Add((_clock.Elapsed.TotalSeconds - began) * 1e6);
                }
            }

            if (duplex is not null)
            {
                await duplex.RequestStream.CompleteAsync();
                Check(!await duplex.ResponseStream.MoveNext(CancellationToken.None));
            }

            return (operations, 0, latencies);
        }
        catch (RpcException e)
        {
            await Console.Error.WriteLineAsync(e.Status.ToString());
            return (operations, 1, latencies);
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
