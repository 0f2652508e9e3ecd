using Grpc.Core;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>A gRPC service of every shape.</summary>
/// <param name="calls">Is told how calls end.</param>
internal sealed class NumbersService(NumbersCalls calls) : Numbers.NumbersBase
{
    public override Task<Number> Double(Number request, ServerCallContext context)
        => Task.FromResult(new Number { Value = 2 * request.Value });

    public override async Task Count(Number request, IServerStreamWriter<Number> stream, ServerCallContext context)
    {
        try
        {
            for (var i = 0; i != request.Value; i++)
            {
                await stream.WriteAsync(new Number { Value = i }, context.CancellationToken);
                if (request.Value < 0)
                {
                    await Task.Delay(1, context.CancellationToken);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException
            || context.CancellationToken.IsCancellationRequested)
        {
            calls.Canceled.TrySetResult();
        }
    }

    public override async Task Sum(
        IAsyncStreamReader<Number> numbers, IServerStreamWriter<Number> sums, ServerCallContext context)
    {
        var sum = 0;
        await foreach (var number in numbers.ReadAllAsync(context.CancellationToken))
        {
            sum += number.Value;
            await sums.WriteAsync(new Number { Value = sum }, context.CancellationToken);
        }
    }
}
