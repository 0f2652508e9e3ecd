using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>What one call of a client does differently from the others.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class ConnectOptionsTests
{
    [Fact]
    public async Task A_call_has_a_timeout_of_its_own()
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = DialTransport.Create(
            ApplicationScheduling.Adaptive, static options => options.ConnectTimeout = Timeout.InfiniteTimeSpan);
        using var cancellation = new CancellationTokenSource();
        var other = transport.Client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
        var options = new EventLoopConnectOptions { ConnectTimeout = TimeSpan.FromMilliseconds(50) };

        var failure = await Assert.ThrowsAsync<SocketException>(
            () => transport.Client.ConnectAsync(deaf.EndPoint, options).DefaultTimeout());

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        Assert.False(other.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other.DefaultTimeout());
    }

    // The first address gives no answer. A serial dial does not go on to the second while there is time for the first.
    [Theory]
    [InlineData(-1, false)]
    [InlineData(10, true)]
    public async Task A_call_has_a_fallback_delay_of_its_own(int milliseconds, bool reachesTheSecond)
    {
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        await using var transport = DialTransport.Create(
            DialTransport.BothLoopbacksAsync, static options => options.FallbackDelay = TimeSpan.FromMinutes(1));
        var options = new EventLoopConnectOptions
        {
            FallbackDelay = TimeSpan.FromMilliseconds(milliseconds),
            ConnectTimeout = TimeSpan.FromMilliseconds(500),
        };

        var failure = await Assert.ThrowsAsync<SocketException>(() => transport.Client.ConnectAsync(
            new DnsEndPoint("both.test", deaf.EndPoint.Port), options).DefaultTimeout());

        Assert.Equal(
            reachesTheSecond,
            failure.Message.Contains($"127.0.0.1:{deaf.EndPoint.Port}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_call_has_a_local_address_of_its_own()
    {
        await using var transport = DialTransport.Create(
            ApplicationScheduling.Adaptive,
            static options => options.LocalEndPoint = new IPEndPoint(IPAddress.Parse("127.0.0.8"), 0));
        var listener = await transport.BindAsync();
        var options = new EventLoopConnectOptions { LocalEndPoint = new IPEndPoint(IPAddress.Parse("127.0.0.9"), 0) };

        await using var own = await transport.Client.ConnectAsync(listener.EndPoint, options).DefaultTimeout();
        await using var other = await transport.Client.ConnectAsync(listener.EndPoint).DefaultTimeout();

        Assert.Equal("127.0.0.9", Assert.IsType<IPEndPoint>(own.LocalEndPoint).Address.ToString());
        Assert.Equal("127.0.0.8", Assert.IsType<IPEndPoint>(other.LocalEndPoint).Address.ToString());
    }

    [Fact]
    public async Task The_hook_of_a_call_runs_after_that_of_its_client()
    {
        var order = new List<string>();
        await using var transport = DialTransport.Create(
            ApplicationScheduling.Adaptive,
            options => options.ConfigureClientSocket = _ => order.Add("client"));
        var listener = await transport.BindAsync();
        var options = new EventLoopConnectOptions { ConfigureClientSocket = _ => order.Add("call") };

        await using (await transport.Client.ConnectAsync(listener.EndPoint, options).DefaultTimeout())
        await using (await transport.Client.ConnectAsync(listener.EndPoint).DefaultTimeout())
        {
            Assert.Equal(["client", "call", "client"], order);
        }
    }

    [Fact]
    public void A_value_out_of_range_is_refused_where_it_is_set()
    {
        var timeout = Assert.Throws<ArgumentOutOfRangeException>(
            static () => new EventLoopConnectOptions { ConnectTimeout = TimeSpan.Zero });
        var delay = Assert.Throws<ArgumentOutOfRangeException>(
            static () => new EventLoopConnectOptions { FallbackDelay = TimeSpan.FromHours(1) });

        Assert.StartsWith(
            "ConnectTimeout is 00:00:00; it must be from 00:00:00.0010000 to 1.00:00:00, or infinite",
            timeout.Message,
            StringComparison.Ordinal);
        Assert.StartsWith(
            "FallbackDelay is 01:00:00; it must be from 00:00:00.0100000 to 00:01:00, or negative.",
            delay.Message,
            StringComparison.Ordinal);
    }
}
