using Grpc.Core;

namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed class GrpcEcho : EchoService.EchoServiceBase
{
    // Where its methods are: the service's name in echo.proto.
    public const string Path = "/benchmarks.EchoService";

    public override Task<EchoMessage> Unary(EchoMessage request, ServerCallContext context)
        => Task.FromResult(request);

    public override async Task ServerStream(
        EchoMessage request,
        IServerStreamWriter<EchoMessage> responseStream,
        ServerCallContext context)
    {
        for (var i = 0; i < request.Count; i++)
        {
            await responseStream.WriteAsync(request);
        }
    }

    public override async Task Duplex(
        IAsyncStreamReader<EchoMessage> requestStream,
        IServerStreamWriter<EchoMessage> responseStream,
        ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            await responseStream.WriteAsync(requestStream.Current);
        }
    }
}
