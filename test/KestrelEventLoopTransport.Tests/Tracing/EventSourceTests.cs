using System.Diagnostics.Tracing;
using KestrelEventLoopTransport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Keywords = KestrelEventLoopTransport.Diagnostics.EventLoopEventSource.Keywords;

namespace KestrelEventLoopTransport.Tests.Tracing;

[FailsOnStock("The event source of ours.")]
public sealed class EventSourceTests
{
    [Fact]
    public void The_manifest_is_valid()
    {
        Assert.NotNull(EventSource.GenerateManifest(
            typeof(EventLoopEventSource), assemblyPathToIncludeInManifest: null, EventManifestOptions.Strict));
        Assert.Equal("KestrelEventLoopTransport", EventLoopEventSource.Log.Name);
        Assert.Null(EventLoopEventSource.Log.ConstructionException);
    }

    [Theory]
    [InlineData(false, "ConnectionAccepted")]
    [InlineData(true, "ConnectionDialed")]
    public async Task A_connection_is_told_from_its_start_to_its_end_with_the_reason(bool dialed, string start)
    {
        using var events = new CapturedEvents(EventLevel.Informational, Keywords.Connections);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = dialed ? await transport.DialAsync() : await transport.ConnectAsync();
        await Echo.RoundTripAsync(pair.Client, pair.Connection);
        var id = pair.Connection.ConnectionId;
        var (local, remote) = ($"{pair.Connection.LocalEndPoint}", $"{pair.Connection.RemoteEndPoint}");
        pair.Connection.Abort(new ConnectionAbortedException("why"));
        await pair.DisposeAsync();

        var begun = Assert.Single(events.All, each => each.EventName == start && Equals(each.Payload![0], id));
        Assert.Equal([id, local, remote], begun.Payload!.Take(3));
        Assert.IsType<int>(begun.Payload![3]);
        var closed = Assert.Single(events.Of("ConnectionClosed"), each => Equals(each.Payload![0], id));
        Assert.Equal([id, "Aborted", 100L, 100L], closed.Payload!);
        Assert.Empty(events.Of("LoopTurnStart"));
    }

    [Fact]
    public async Task The_turns_of_a_loop_are_told_to_those_who_ask()
    {
        using var events = new CapturedEvents(EventLevel.Verbose, Keywords.Loops);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var pair = await transport.ConnectAsync();
        await Echo.RoundTripAsync(pair.Client, pair.Connection);

        await Poll.UntilAsync(() => events.Of("LoopTurnStart").Any(static each => (int)each.Payload![1]! > 0));
        await Poll.UntilAsync(() => events.Of("LoopTurnStop").Any());
        Assert.Empty(events.Of("ConnectionAccepted"));
    }

    [Fact]
    public async Task A_hand_off_tells_the_loop_the_thread_and_the_endpoint()
    {
        using var events = new CapturedEvents(EventLevel.Informational, Keywords.HandOffs);
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var client = await TestApp.ConnectToLoopAsync(server);
        await client.SendAsync(TestApp.Block);
        var endPoint = $"{client.Socket.RemoteEndPoint}";

        await Poll.UntilAsync(() => events.Of("LoopHandedOff").Any(each => Describes(each, endPoint)));
        roadblock.Open();
        Assert.Equal(TestApp.Block, await client.ReceiveAsync());

        var handOff = events.Of("LoopHandedOff").First(each => Describes(each, endPoint));
        Assert.True((int)handOff.Payload![0]! >= 0);
        Assert.True(!OperatingSystem.IsLinux() || (int)handOff.Payload[1]! > 0);
        Assert.Contains((string)handOff.Payload[2]!, new[] { "blocked", "computing" });
    }

    [Fact]
    public async Task Counters_count_what_those_of_System_Net_Sockets_would()
    {
        using var events = new CapturedEvents(EventLevel.LogAlways, EventKeywords.None, counts: true);
        await Poll.UntilAsync(() => events.Counter("datagrams-sent") is not null);
        string[] names =
        [
            "incoming-connections-established", "outgoing-connections-established", "bytes-received", "bytes-sent",
        ];
        var before = names.ToDictionary(static name => name, name => events.Counter(name)!.Value);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var open = await transport.ConnectAsync();
        await Echo.RoundTripAsync(open.Client, open.Connection);
        var closed = await transport.DialAsync();
        await Echo.RoundTripAsync(closed.Client, closed.Connection);
        await closed.DisposeAsync();

        await Poll.UntilAsync(() => Grown("incoming-connections-established") >= 1);
        await Poll.UntilAsync(() => Grown("outgoing-connections-established") >= 1);
        await Poll.UntilAsync(() => Grown("bytes-received") >= 200);
        await Poll.UntilAsync(() => Grown("bytes-sent") >= 200);

        double Grown(string name) => events.Counter(name)!.Value - before[name];
    }

    private static bool Describes(EventWrittenEventArgs handOff, string endPoint)
        => ((string)handOff.Payload![3]!).EndsWith($" to {endPoint}", StringComparison.Ordinal);
}
