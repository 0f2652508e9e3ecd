using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.SignalR;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>The hub of these tests; <c>hub.js</c> calls it as well.</summary>
public sealed class TestHub(HubEvents events) : Hub
{
#pragma warning disable CA1822 // SignalR does not call static methods.

    public string Echo(string text) => text;

    public byte[] EchoBytes(byte[] bytes) => bytes;

    public async IAsyncEnumerable<int> Count(int count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var i = 0; i < count; i++)
        {
            // The stream has no end of its own if the client asks for too many.
            cancellationToken.ThrowIfCancellationRequested();
            yield return i;
            await Task.Yield();
        }
    }

    public async Task<int> Sum(IAsyncEnumerable<int> numbers)
    {
        var sum = 0;
        await foreach (var number in numbers)
        {
            sum += number;
        }

        return sum;
    }

    /// <summary>The sum so far, for each number.</summary>
    public async IAsyncEnumerable<int> Converse(IAsyncEnumerable<int> numbers)
    {
        var sum = 0;
        await foreach (var number in numbers)
        {
            sum += number;
            yield return sum;
        }
    }

#pragma warning restore CA1822

    public Task Shout(string text) => Clients.All.SendAsync("Shouted", text);

    /// <summary>Ends the client's connection as SignalR does: the client is not to come back.</summary>
    public void Leave() => Context.Abort();

    /// <summary>Cuts what carries the connection.</summary>
    public void Cut() => Context.GetHttpContext()!.Abort();

    public override Task OnConnectedAsync()
    {
        events.AddConnected(Context.ConnectionId);
        return Task.CompletedTask;
    }

    public override Task OnDisconnectedAsync(Exception? exception)
    {
        events.AddDisconnected(Context.ConnectionId);
        return Task.CompletedTask;
    }
}
