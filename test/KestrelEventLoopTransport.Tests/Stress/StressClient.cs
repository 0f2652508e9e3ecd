using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Stress;

/// <summary>The client's end of the stress test: one connection, each byte verified.</summary>
internal sealed class StressClient(StressPlan plan, Random random)
{
    public static async Task RunAsync(EndPoint endPoint, StressPlan plan, Random random)
    {
        using var client = await RawClient.ConnectAsync(endPoint, socket =>
        {
            if (random.Next(4) == 0)
            {
                socket.ReceiveBufferSize = 8 * 1024;
            }
        });
        await new StressClient(plan, new Random(random.Next())).RunAsync(client, new Random(random.Next()));
    }

    private async Task RunAsync(RawClient client, Random senderRandom)
    {
        if (plan.EndsInOrder)
        {
            var send = SendAsync(client, senderRandom);
            await ReceiveAsync(client);
            await send.DefaultTimeout();
            return;
        }

        // Either end may break it at any byte: what arrives must be right as far as it goes.
        var sending = LenientAsync(SendAsync(client, senderRandom));
        await LenientAsync(ReceiveAsync(client));
        await sending.DefaultTimeout();
    }

    private async Task SendAsync(RawClient client, Random random)
    {
        await client.SendAsync(plan.ToHeader());
        if (plan.Kind != StressKind.Generate)
        {
            for (var position = 0; position < plan.Length;)
            {
                var n = Math.Min(StressPlan.ChunkSize(random), plan.Length - position);
                if (plan.ClientAbortAt >= 0 && position >= plan.ClientAbortAt)
                {
                    client.Reset();
                    return;
                }

                await client.SendAsync(Pattern.Create(n, plan.Stream, position));
                position += n;
                await StressPlan.PauseAsync(random);
            }

            client.ShutdownSend();
        }
    }

    private async Task ReceiveAsync(RawClient client)
    {
        var buffer = new byte[64 * 1024];
        var expected = plan.Kind == StressKind.Upload ? sizeof(long) : plan.Length;
        var position = 0;
        while (true)
        {
            var n = await client.Socket.ReceiveAsync(buffer.AsMemory(0, StressPlan.ChunkSize(random))).DefaultTimeout();
            if (n == 0)
            {
                break;
            }

            if (plan.Kind == StressKind.Upload)
            {
                if (plan.EndsInOrder && position == 0 && n == sizeof(long))
                {
                    Assert.Equal(plan.Length, BitConverter.ToInt64(buffer));
                }
            }
            else
            {
                Pattern.AssertMatches(buffer.AsSpan(0, n), plan.Stream, position);
            }

            position += n;
            Assert.True(position <= expected, $"{position} bytes instead of {expected}.");
            if (plan.ClientAbortAt >= 0 && position >= plan.ClientAbortAt && plan.Kind == StressKind.Generate)
            {
                client.Reset();
                return;
            }

            await StressPlan.PauseAsync(random);
        }

        if (plan.EndsInOrder)
        {
            Assert.Equal(expected, position);
        }
    }

    private static async Task LenientAsync(Task task)
    {
        try
        {
            await task;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Planned, by this end or by the other.
        }
    }
}
