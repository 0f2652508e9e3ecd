using Grpc.Core;
using GrpcStatus = Grpc.Core.Status;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary>A gRPC service with calls of every shape.</summary>
internal sealed class ShapesService(ShapesCalls calls) : Shapes.ShapesBase
{
    public override Task<Message> Unary(Message request, ServerCallContext context)
    {
        calls.RequestEncoding = context.GetHttpContext().Request.Headers["grpc-encoding"];
        return Task.FromResult(request);
    }

    public override Task Download(Message request, IServerStreamWriter<Message> stream, ServerCallContext context)
        => CountAsync(request.Number, stream);

    public override async Task<Message> Upload(IAsyncStreamReader<Message> stream, ServerCallContext context)
    {
        var sum = 0;
        await foreach (var message in stream.ReadAllAsync())
        {
            sum += message.Number;
        }

        return new Message { Number = sum };
    }

    public override async Task Converse(
        IAsyncStreamReader<Message> messages, IServerStreamWriter<Message> sums, ServerCallContext context)
    {
        using var registration = context.CancellationToken.Register(() => calls.Cancelled.TrySetResult());
        var sum = 0;
        try
        {
            await foreach (var message in messages.ReadAllAsync())
            {
                sum += message.Number;
                await sums.WriteAsync(new Message { Number = sum });
            }
        }
        catch (IOException)
        {
            // A stream that was reset. Kestrel fires the token on another thread, which may come after the end of this.
            calls.Cancelled.TrySetResult();
            throw;
        }
    }

    public override async Task Wait(Message request, IServerStreamWriter<Message> stream, ServerCallContext context)
    {
        // Of this call: an earlier one may have passed its deadline.
        var cancelled = Signal.New();
        using var registration = context.CancellationToken.Register(() =>
        {
            calls.Cancelled.TrySetResult();
            cancelled.TrySetResult();
        });
        await stream.WriteAsync(request);
        await cancelled.Task;
    }

    public override async Task<Message> Meet(Message request, ServerCallContext context)
    {
        await calls.MeetAsync(request.Number);
        return request;
    }

    public override async Task Cancel(Message request, IServerStreamWriter<Message> stream, ServerCallContext context)
    {
        await CountAsync(request.Number, stream);
        context.ResponseTrailers.Add("after", "all");
        throw new RpcException(new GrpcStatus(StatusCode.Cancelled, "by the server"));
    }

    public override async Task Abort(Message request, IServerStreamWriter<Message> stream, ServerCallContext context)
    {
        await CountAsync(request.Number, stream);
        context.GetHttpContext().Abort();
    }

    private static async Task CountAsync(int count, IServerStreamWriter<Message> stream)
    {
        for (var i = 0; i < count; i++)
        {
            await stream.WriteAsync(new Message { Number = i });
        }
    }
}
