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

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Bytes_of_dialed_connections_are_counted_while_they_are_open_and_stay(
        ApplicationScheduling scheduling)
    {
        const int Large = 300_000;
        await using var transport = new TestTransport(scheduling);
        _ = transport.Client;
        using var instruments = new LoopInstruments(transport.Services);
        Assert.Equal(0, instruments.Read("event_loop.client.io/receive"));
        await using var accepted = await transport.ConnectAsync();
        await using var pair = await transport.DialAsync();
        await Echo.RoundTripAsync(accepted.Client, accepted.Connection);
        await Echo.RoundTripAsync(pair.Client, pair.Connection);

        await UntilBytesAsync(100, 100);

        await pair.Output.WriteAsync(new byte[Large]);
        await pair.Client.ReceiveExactlyAsync(Large);
        await UntilBytesAsync(100, 100 + Large);

        await pair.DisposeAsync();
        await UntilBytesAsync(100, 100 + Large);

        await using var other = await transport.DialAsync();
        await Echo.RoundTripAsync(other.Client, other.Connection);
        await UntilBytesAsync(200, 200 + Large);
        Assert.Equal(100, instruments.Read("event_loop.listener.io/receive"));

        // A send is counted when its system call has returned; the peer may have the bytes before.
        Task UntilBytesAsync(long received, long sent) => Poll.UntilAsync(
            () => instruments.Read("event_loop.client.io/receive") == received
                && instruments.Read("event_loop.client.io/transmit") == sent,
            () => $"{instruments.Read("event_loop.client.io/receive")} "
                + $"{instruments.Read("event_loop.client.io/transmit")}");
    }
}
