using Microsoft.AspNetCore.SignalR.Client;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>A thousand clients of one hub.</summary>
public sealed class ManyClientsTests
{
    private const int Clients = 1000;

    [Theory]
    [ClassData<EveryTransport>]
    public async Task A_thousand_clients_hear_the_same(TransportUnderTest transport)
    {
        await using var server = await HubServer.StartAsync(transport);
        var clients = new HubConnection[Clients];
        var heard = 0;
        var all = Signal.New();
        await ForEachClientAsync(async i =>
        {
            clients[i] = server.CreateClient(HubWire.WebSockets);
            clients[i].On<string>("Shouted", text =>
            {
                if (text == "to all" && Interlocked.Increment(ref heard) == Clients)
                {
                    all.SetResult();
                }
            });
            await clients[i].StartAsync().DefaultTimeout();
        });

        await clients[0].SendAsync("Shout", "to all").DefaultTimeout();
        await all.Task.DefaultTimeout();
        await ForEachClientAsync(async i =>
        {
            Assert.Equal($"{i}", await clients[i].InvokeAsync<string>("Echo", $"{i}").DefaultTimeout());
            await clients[i].StopAsync().DefaultTimeout();
            await clients[i].DisposeAsync();
        });

        Assert.Equal(Clients, heard);
        for (var i = 0; i < Clients; i++)
        {
            await server.Events.NextDisconnectedAsync();
        }
    }

    // With some at a time on their way, as many as cores can do something for.
    private static Task ForEachClientAsync(Func<int, Task> action) => Parallel.ForAsync(
        0, Clients, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (i, _) => await action(i));
}
