using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Listening.Takeover;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>What the metrics keep of listeners that have ended, and what of those before them.</summary>
[FailsOnStock("Metrics of ours.")]
public sealed class EndedListenersTests
{
    private const string Listener = "event_loop.listener.";

    [Fact]
    public async Task A_listener_that_has_ended_is_not_kept_although_nobody_asks_for_metrics()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var (ended, _) = await BindAndStopAsync(transport.Factory);

        await Poll.UntilAsync(() =>
        {
            GC.Collect();
            return !ended.IsAlive;
        });
    }

    [Fact]
    public async Task Of_ever_new_ports_only_some_are_kept_and_those_that_are_used_stay()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var tags = new TagReader(transport.Services);
        var used = await transport.BindAsync();
        var last = "";
        for (var i = 0; i < 120; i++)
        {
            last = $"{(await BindAndStopAsync(transport.Factory)).Port}";
        }

        var ports = tags.Read(Listener + "accepted_connections").Select(PortOf).ToArray();

        Assert.InRange(ports.Length, 90, 100);
        Assert.Contains(last, ports);
        Assert.Contains($"{((IPEndPoint)used.EndPoint).Port}", ports);
    }

    [Fact]
    public async Task Drops_of_a_socket_before_it_was_bound_here_do_not_count()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux reports the drops.");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(1);
        var clients = Enumerable.Range(0, 6).Select(_ => RawClient.Create(socket.LocalEndPoint!)).ToArray();
        var connects = clients.Select(client => client.Socket.ConnectAsync(socket.LocalEndPoint!)).ToArray();
        await Poll.UntilAsync(() => SocketFilter.CountDrops((int)socket.Handle) > 0);
        Array.ForEach(clients, static client => client.Dispose());
        Assert.All(connects, static connect => _ = connect.Exception);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(transport.Services);

        // Twice: the second listener has the drops that the first one has seen.
        for (var i = 0; i < 2; i++)
        {
            var before = SocketFilter.CountDrops((int)socket.Handle);
            var listener = await transport.BindAsync(
                new FileHandleEndPoint((ulong)socket.Handle, FileHandleType.Tcp));
            var counted = instruments.Read(Listener + "dropped_handshakes");
            Assert.InRange(counted, 0, SocketFilter.CountDrops((int)socket.Handle)!.Value - before!.Value);
            await listener.DisposeAsync().DefaultTimeout();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<(WeakReference Listener, int Port)> BindAndStopAsync(IConnectionListenerFactory factory)
    {
        var listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).DefaultTimeout();
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();
        return (new WeakReference(listener), ((IPEndPoint)listener.EndPoint).Port);
    }

    private static string PortOf(string tags)
        => tags.Split(' ').Single(static tag => tag.StartsWith("server.port=", StringComparison.Ordinal))[12..];
}
