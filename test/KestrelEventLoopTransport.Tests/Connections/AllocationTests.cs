using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Connections;

[Collection(ProcessWide.Name)]
public sealed class AllocationTests
{
    private const int RoundTrips = 20_000;

    // What Kestrel's heartbeat, timers and the runtime's pool allocate meanwhile, the more the longer it takes. The
    // smallest object in one of twenty round trips would be seen.
    private const long Background = 16 * 1024;
    private const long BackgroundPerSecond = 1024;

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "allocation")]
    public async Task A_round_trip_allocates_nothing(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = EchoAsync,
            MinimumLevel = LogLevel.Warning,

            // The counting pool makes an object of each rental; Kestrel's own does not.
            Pools = null,
        });

        // The best of a few: tiered compilation and the pool's first growth are not the transport's.
        var best = long.MaxValue;
        for (var i = 0; i < 5 && best > 0; i++)
        {
            best = Math.Min(best, await Task.Run(() => Measure(server.EndPoint)));
        }

        Assert.True(
            best <= 0,
            $"{RoundTrips} round trips allocated {best} bytes more than the {Background} of the background.");
    }

    /// <summary>Bytes allocated beyond what is nobody's.</summary>
    // Synchronous calls allocate nothing, as long as the socket has never been used asynchronously.
    private static long Measure(EndPoint endPoint)
    {
        using var client = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        client.Connect(endPoint);
        Span<byte> message = stackalloc byte[128];
        var start = Stopwatch.GetTimestamp();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < RoundTrips; i++)
        {
            client.Send(message);
            for (var received = 0; received < message.Length;)
            {
                received += client.Receive(message[received..]);
            }
        }

        var seconds = Math.Ceiling(Stopwatch.GetElapsedTime(start).TotalSeconds);
        return GC.GetTotalAllocatedBytes(precise: true) - before - Background - ((long)seconds * BackgroundPerSecond);
    }

    private static async Task EchoAsync(ConnectionContext connection)
    {
        var input = connection.Transport.Input;
        var output = connection.Transport.Output;
        while (true)
        {
            var result = await input.ReadAsync();
            foreach (var segment in result.Buffer)
            {
                segment.Span.CopyTo(output.GetSpan(segment.Length));
                output.Advance(segment.Length);
            }

            input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }

            await output.FlushAsync();
        }
    }
}
