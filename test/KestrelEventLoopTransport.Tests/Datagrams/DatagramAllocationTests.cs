using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Datagrams;

[Collection(ProcessWide.Name)]
public sealed class DatagramAllocationTests
{
    private const int RoundTrips = 20_000;

    // As in AllocationTests: the smallest object in one of twenty round trips would be seen.
    private const long Background = 16 * 1024;
    private const long BackgroundPerSecond = 1024;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_datagram_and_its_answer_allocate_nothing(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            new TestSettings { Scheduling = scheduling, MinimumLevel = LogLevel.Warning, Pools = null },
            DatagramScript.Echo,
            url: "udp://0.0.0.0:0");
        var endPoint = new IPEndPoint(IPAddress.Loopback, server.EndPoint.Port);
        await AssertAllocatesNothingAsync(() => DatagramServer.Connect(endPoint));
    }

    [Fact]
    public async Task A_datagram_of_a_known_Unix_peer_and_its_answer_allocate_nothing()
    {
        using var path = new SocketPath();
        await using var server = await DatagramServer.StartAsync(
            new TestSettings
            {
                Scheduling = ApplicationScheduling.Adaptive,
                MinimumLevel = LogLevel.Warning,
                Pools = null,
            },
            DatagramScript.Echo,
            url: $"unix:{path.Path}");
        using var ownPath = new SocketPath();
        await AssertAllocatesNothingAsync(() =>
        {
            File.Delete(ownPath.Path);
            var client = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            client.Bind(new UnixDomainSocketEndPoint(ownPath.Path));
            client.Connect(new UnixDomainSocketEndPoint(path.Path));
            return client;
        });
    }

    private static async Task AssertAllocatesNothingAsync(Func<Socket> connect)
    {
        var best = long.MaxValue;
        for (var i = 0; i < 5 && best > 0; i++)
        {
            best = Math.Min(best, await Task.Run(() => Measure(connect)));
        }

        Assert.True(best <= 0, $"{RoundTrips} datagrams allocated {best} bytes more than the background.");
    }

    // Synchronous calls allocate nothing, as long as the socket has never been used asynchronously.
    private static long Measure(Func<Socket> connect)
    {
        using var client = connect();
        Span<byte> message = stackalloc byte[128];
        var start = Stopwatch.GetTimestamp();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < RoundTrips; i++)
        {
            client.Send(message);
            client.Receive(message);
        }

        var seconds = Math.Ceiling(Stopwatch.GetElapsedTime(start).TotalSeconds);
        return GC.GetTotalAllocatedBytes(precise: true) - before - Background - ((long)seconds * BackgroundPerSecond);
    }
}
