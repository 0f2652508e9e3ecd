using System.Threading.Channels;
using Microsoft.AspNetCore.SignalR.Client;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>SignalR with its .NET client: calls, streams in both directions, and large messages.</summary>
public sealed class HubCallTests
{
    private const int Megabyte = 1024 * 1024;

    public static MatrixTheoryData<TransportUnderTest, HubWire> Wires
        => new(EveryTransport.Values, Enum.GetValues<HubWire>());

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task Calls_are_answered_in_order(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire);
        var shouted = Channel.CreateUnbounded<string>();
        using var subscription = client.On<string>("Shouted", text => shouted.Writer.TryWrite(text));

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal($"call {i}", await client.InvokeAsync<string>("Echo", $"call {i}").DefaultTimeout());
            await client.SendAsync("Shout", $"shout {i}").DefaultTimeout();
        }

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal($"shout {i}", await shouted.Reader.ReadAsync().DefaultTimeout());
        }
    }

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task Streams_go_both_ways(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire);

        Assert.Equal(
            Enumerable.Range(0, 500),
            await client.StreamAsync<int>("Count", 500).ToListAsync().AsTask().DefaultTimeout());
        Assert.Equal(499 * 500 / 2, await client.InvokeAsync<int>("Sum", CountAsync(500)).DefaultTimeout());
        Assert.Equal(
            Enumerable.Range(0, 50).Select(static last => last * (last + 1) / 2),
            await client.StreamAsync<int>("Converse", CountAsync(50)).ToListAsync().AsTask().DefaultTimeout());

        // One that ends because the client has enough; the connection goes on.
        Assert.Equal(
            Enumerable.Range(0, 3),
            await client.StreamAsync<int>("Count", int.MaxValue).Take(3).ToListAsync().AsTask().DefaultTimeout());
        Assert.Equal("on", await client.InvokeAsync<string>("Echo", "on").DefaultTimeout());
    }

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task Messages_of_a_megabyte_arrive_whole(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire);
        var bytes = Pattern.Create(Megabyte);

        var calls = Enumerable.Range(0, 2).Select(_ => client.InvokeAsync<byte[]>("EchoBytes", bytes).DefaultTimeout());

        Assert.All(await Task.WhenAll(calls), received => Assert.Equal(bytes, received));
    }

    private static async IAsyncEnumerable<int> CountAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            yield return i;
            await Task.Yield();
        }
    }
}
