using System.Net;
using KestrelEventLoopTransport.Listening;

namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>
/// Several acceptors, one queue: null, which ends Kestrel's listener, comes at the end and not before.
/// </summary>
[Trait("Contract", "11")]
[FailsOnStock("An internal class of ours.")]
public sealed class AcceptQueueTests
{
    [Fact]
    public async Task An_announcement_that_comes_late_does_not_end_the_next_wait()
    {
        var queue = new AcceptQueue(new IPEndPoint(IPAddress.Loopback, 1), null!);
        var accept = queue.AcceptAsync(default).AsTask();

        // Of a connection that an earlier accept has taken: there is nothing for this one.
        queue.Announce(null!);
        Assert.False(accept.IsCompleted);

        queue.Complete();
        Assert.Null(await accept.DefaultTimeout());
    }

    [Fact]
    public async Task A_storm_on_four_acceptors_never_ends_the_listener()
    {
        const int Connections = 4000;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EventLoopCount = 4;
            options.EndpointDefaults.AcceptMode = AcceptMode.ListenerPerLoop;
        });
        var listener = await transport.BindAsync();
        var clients = Task.Run(
            () => Parallel.ForAsync(0, Connections, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, _) =>
        {
            using var client = await RawClient.ConnectAsync(listener.EndPoint);
            client.Reset();
        }));

        for (var i = 0; i < Connections; i++)
        {
            var connection = await listener.AcceptAsync().DefaultTimeout();
            Assert.NotNull(connection);
            await connection.DisposeAsync().DefaultTimeout();
        }

        await clients.DefaultTimeout();
    }
}
