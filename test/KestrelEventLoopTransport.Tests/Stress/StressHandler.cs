using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Stress;

/// <summary>The server's end of the stress test.</summary>
internal sealed class StressHandler(int seed)
{
    public ConcurrentQueue<string> Errors { get; } = new();

    public async Task RunAsync(ConnectionContext connection)
    {
        StressPlan? plan = null;
        try
        {
            plan = await ReadPlanAsync(connection.Transport.Input);
            if (plan is null)
            {
                return;
            }

            var random = StressPlan.Choices(seed, plan.Stream, end: 0);
            switch (plan.Kind)
            {
                case StressKind.Generate:
                    await GenerateAsync(connection, plan, random);
                    break;
                default:
                    await ReceiveAsync(connection, plan, random);
                    break;
            }
        }
        catch (Exception exception) when (exception is ConnectionResetException or ConnectionAbortedException)
        {
            if (plan is { EndsInOrder: true })
            {
                Errors.Enqueue($"server: {plan} broke: {exception.Message}");
            }
        }
        catch (Exception exception)
        {
            Errors.Enqueue($"server: {plan}: {exception}");
        }
    }

    private static async Task<StressPlan?> ReadPlanAsync(PipeReader input)
    {
        var result = await input.ReadAtLeastAsync(StressPlan.HeaderLength);
        if (result.Buffer.Length < StressPlan.HeaderLength)
        {
            input.AdvanceTo(result.Buffer.End);
            return null;
        }

        var header = result.Buffer.Slice(0, StressPlan.HeaderLength);
        var plan = StressPlan.Read(header.ToArray());
        input.AdvanceTo(header.End);
        return plan;
    }

    private static async Task GenerateAsync(ConnectionContext connection, StressPlan plan, Random random)
    {
        var output = connection.Transport.Output;
        for (var position = 0; position < plan.Length;)
        {
            if (plan.ServerAbortAt >= 0 && position >= plan.ServerAbortAt)
            {
                connection.Abort(new ConnectionAbortedException("planned"));
                return;
            }

            var n = Math.Min(StressPlan.ChunkSize(random), plan.Length - position);
            if (random.Next(2) == 0)
            {
                await output.WriteAsync(Pattern.Create(n, plan.Stream, position));
                position += n;
            }
            else
            {
                Pattern.Fill(output.GetSpan(n)[..n], plan.Stream, position);
                output.Advance(n);
                position += n;
                if (random.Next(3) != 0 && (await output.FlushAsync()).IsCompleted)
                {
                    return;
                }
            }

            await StressPlan.PauseAsync(random);
        }
    }

    private async Task ReceiveAsync(ConnectionContext connection, StressPlan plan, Random random)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        for (var position = 0; ;)
        {
            var result = await input.ReadAsync();
            var length = (int)result.Buffer.Length;
            var consumed = result.IsCompleted || random.Next(3) != 0 ? length : random.Next(length + 1);
            foreach (var segment in result.Buffer.Slice(0, consumed))
            {
                if (Pattern.FirstMismatch(segment.Span, plan.Stream, position) is var at and >= 0)
                {
                    Errors.Enqueue($"server: {plan}: wrong byte at {position + at}");
                }

                position += segment.Length;
                if (plan.Kind == StressKind.Echo)
                {
                    output.Write(segment.Span);
                }
            }

            input.AdvanceTo(
                result.Buffer.GetPosition(consumed),
                random.Next(2) == 0 ? result.Buffer.End : result.Buffer.GetPosition(consumed));
            if (plan.ServerAbortAt >= 0 && position >= plan.ServerAbortAt)
            {
                connection.Abort(new ConnectionAbortedException("planned"));
                return;
            }

            if (plan.Kind == StressKind.Echo && (await output.FlushAsync()).IsCompleted)
            {
                return;
            }

            if (result.IsCompleted)
            {
                if (plan.EndsInOrder && position != plan.Length)
                {
                    Errors.Enqueue($"server: {plan}: ended after {position}");
                }

                if (plan.Kind == StressKind.Upload)
                {
                    await output.WriteAsync(BitConverter.GetBytes((long)position));
                }

                return;
            }

            await StressPlan.PauseAsync(random);
        }
    }
}
