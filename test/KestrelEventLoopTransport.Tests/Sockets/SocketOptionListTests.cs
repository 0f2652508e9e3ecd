using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Options;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>What the kernel is given for options, where what it shows does not tell.</summary>
public sealed class SocketOptionListTests
{
    public static TheoryData<string, int> Times => new()
    {
        { "Linger = ", 65 },
        { "BusyPoll = ", 1500 },
        { "Tcp.KeepAlive.Time = ", 61 },
        { "Tcp.KeepAlive.Interval = ", 62 },
        { "Tcp.UserTimeout = ", 63_001 },
        { "Tcp.DeferAccept = ", 64 },
    };

    // A TimeSpan's Seconds and so on are less than one of the next unit.
    [Theory]
    [MemberData(nameof(Times))]
    public void A_time_is_passed_on_in_full(string option, int expected)
    {
        var options =
            new EndpointOptions { Linger = TimeSpan.FromSeconds(65), BusyPoll = TimeSpan.FromMicroseconds(1500) };
        options.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(61);
        options.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(62);
        options.Tcp.UserTimeout = TimeSpan.FromMilliseconds(63_001);
        options.Tcp.DeferAccept = TimeSpan.FromSeconds(64);

        var list = SocketOptionList.ForListening(options, isV6: false);

        var set = Assert.Single(list, entry => $"{entry.Option} = ".StartsWith(option, StringComparison.Ordinal));
        Assert.Equal(expected, BitConverter.ToInt32(set.Value, set.Value.Length - sizeof(int)));
    }

    [Theory]
    [InlineData(null, null, null, null, null)]
    [InlineData(null, 10, null, null, 1)]
    [InlineData(null, null, 10, null, 1)]
    [InlineData(null, null, null, 10, 1)]
    [InlineData(true, null, null, null, 1)]
    [InlineData(false, 10, 10, 10, 0)]
    public void Probes_are_sent_if_anything_is_said_of_them_but_not_against_the_users_word(
        bool? enabled, int? time, int? interval, int? count, int? expected)
    {
        var options = new EndpointOptions();
        options.Tcp.KeepAlive.Enabled = enabled;
        options.Tcp.KeepAlive.Time = time is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        options.Tcp.KeepAlive.Interval = interval is { } between ? TimeSpan.FromSeconds(between) : null;
        options.Tcp.KeepAlive.RetryCount = count;

        var list = SocketOptionList.ForListening(options, isV6: false);

        var set = list.SingleOrDefault(
            static entry => entry.Level == Platform.SOL_SOCKET && entry.Name == Platform.SO_KEEPALIVE);
        Assert.Equal(expected, set is null ? null : BitConverter.ToInt32(set.Value));
    }
}
