using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>The instrument that counts dials by their outcome.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialMetricsTests
{
    [Fact]
    public async Task Every_dial_is_counted_once_by_its_outcome()
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = DialTransport.Create(
            static (_, _, _) => throw new SocketException((int)SocketError.HostNotFound));
        using var instruments = new LoopInstruments(transport.Services);
        var client = transport.Client;
        var listener = await transport.BindAsync();
        string[] outcomes =
            ["connected", "canceled", "timed_out", "refused", "unreachable", "not_resolved", "failed"];
        Assert.All(outcomes, outcome => Assert.Equal(0, instruments.Dials(outcome)));

        await using var first = await client.ConnectAsync(listener.EndPoint).DefaultTimeout();
        await using var second = await client.ConnectAsync(listener.EndPoint).DefaultTimeout();
        await FailAsync(new IPEndPoint(IPAddress.Loopback, FreePort.Next()));
        await FailAsync(new DnsEndPoint("missing.test", 80));
        await FailAsync(deaf.EndPoint, new() { ConnectTimeout = TimeSpan.FromMilliseconds(10) });
        await FailAsync(listener.EndPoint, new() { ConfigureClientSocket = static _ => throw new IOException() });
        using (var cancellation = new CancellationTokenSource())
        {
            var dial = client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial.DefaultTimeout());
        }

        Assert.Equal([2, 1, 1, 1, 0, 1, 1], outcomes.Select(instruments.Dials));

        async Task FailAsync(EndPoint target, EventLoopConnectOptions? options = null)
            => await Assert.ThrowsAnyAsync<Exception>(() => client.ConnectAsync(target, options).DefaultTimeout());
    }
}
