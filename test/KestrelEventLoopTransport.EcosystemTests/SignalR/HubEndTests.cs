using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.SignalR.Client;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>How connections of SignalR end, and come back.</summary>
public sealed class HubEndTests
{
    public static MatrixTheoryData<TransportUnderTest, HubWire> Wires
        => new(EveryTransport.Values, [HubWire.WebSockets, HubWire.ServerSentEvents, HubWire.LongPolling]);

    // A long poll is many requests: there is none to cut.
    public static MatrixTheoryData<TransportUnderTest, HubWire> WiresToCut
        => new(EveryTransport.Values, [HubWire.WebSockets, HubWire.ServerSentEvents]);

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task The_hub_sees_that_a_client_stops(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire);
        var id = await server.Events.NextConnectedAsync();

        await client.StopAsync().DefaultTimeout();

        Assert.Equal(id, await server.Events.NextDisconnectedAsync());
    }

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task A_client_that_the_hub_aborts_is_closed(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire, new RetryAtOnce());
        var closed = Signal.New();
        client.Closed += _ =>
        {
            closed.SetResult();
            return Task.CompletedTask;
        };

        await client.SendAsync("Leave").DefaultTimeout();

        await closed.Task.DefaultTimeout();
        Assert.Equal(await server.Events.NextConnectedAsync(), await server.Events.NextDisconnectedAsync());
    }

    [Theory]
    [MemberData(nameof(WiresToCut))]
    public async Task A_client_whose_connection_is_cut_comes_back(TransportUnderTest transport, HubWire wire)
    {
        await using var server = await HubServer.StartAsync(transport);
        await using var client = await server.ConnectAsync(wire, new RetryAtOnce());
        var first = await server.Events.NextConnectedAsync();
        var reconnected = WhenReconnected(client);

        await client.SendAsync("Cut").DefaultTimeout();

        await reconnected.DefaultTimeout();
        Assert.Equal(first, await server.Events.NextDisconnectedAsync());
        Assert.NotEqual(first, await server.Events.NextConnectedAsync());
        Assert.Equal("back", await client.InvokeAsync<string>("Echo", "back").DefaultTimeout());
    }

    [Theory]
    [MemberData(nameof(Wires))]
    public async Task A_client_comes_back_to_a_server_that_restarts(TransportUnderTest transport, HubWire wire)
    {
        var port = FreePort.Next();
        var server = await HubServer.StartAsync(transport, port);
        await using var client = server.CreateClient(wire, new RetryAtOnce());
        await using (server)
        {
            await client.StartAsync().DefaultTimeout();
            await server.StopAsync();
        }

        await using var next = await HubServer.StartAsync(transport, port);

        await next.Events.NextConnectedAsync();
        await Poll.UntilAsync(() => client.State == HubConnectionState.Connected);
        Assert.Equal("back", await client.InvokeAsync<string>("Echo", "back").DefaultTimeout());
        await client.StopAsync().DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryTransport>]
    public async Task The_hub_sees_that_a_client_is_gone_without_a_word(TransportUnderTest transport)
    {
        await using var server = await HubServer.StartAsync(transport);
        using var client = new ClientWebSocket();
        var address = new UriBuilder(server.Address) { Scheme = Uri.UriSchemeWs }.Uri;
        await client.ConnectAsync(address, CancellationToken.None).DefaultTimeout();
        var handshake = Encoding.UTF8.GetBytes("""{"protocol":"json","version":1}""" + '\u001e');
        await client.SendAsync(handshake, WebSocketMessageType.Text, true, CancellationToken.None).DefaultTimeout();
        var id = await server.Events.NextConnectedAsync();

        client.Abort();

        Assert.Equal(id, await server.Events.NextDisconnectedAsync());
    }

    private static Task WhenReconnected(HubConnection client)
    {
        var reconnected = Signal.New();
        client.Reconnected += _ =>
        {
            reconnected.SetResult();
            return Task.CompletedTask;
        };
        return reconnected.Task;
    }
}
