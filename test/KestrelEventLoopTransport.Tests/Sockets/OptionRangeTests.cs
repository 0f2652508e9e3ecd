using System.Net;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>The ranges of the socket options: each wrong value and the exact message.</summary>
public sealed class OptionRangeTests
{
    private const string AnyInt = "it must be from 1 to 2147483647.";
    private const string AnyBytes = "it must have from 1 to 15 bytes, none of them zero.";
    private const string AnyNetwork
        = "it must be an address, or a network such as 10.0.0.0/8.";

    private const string Milliseconds = "it must be a whole number of milliseconds from 1 to 2147483647.";
    private const string KeepAliveTime = "it must be a whole number of seconds from 1 to 32767.";

    private static readonly (Action<EndpointOptions> Set, string Message)[] _wrong =
    [
        (static o => o.Backlog = 0, $"Backlog is 0; {AnyInt}"),
        (static o => o.Backlog = -1, $"Backlog is -1; {AnyInt}"),
        (static o => o.ReceiveBufferSize = 0, $"ReceiveBufferSize is 0; {AnyInt}"),
        (static o => o.ReceiveBufferSize = -1, $"ReceiveBufferSize is -1; {AnyInt}"),
        (static o => o.SendBufferSize = 0, $"SendBufferSize is 0; {AnyInt}"),
        (static o => o.BindToDevice = "", $"BindToDevice is ''; {AnyBytes}"),
        (static o => o.BindToDevice = "sixteen-letters-", $"BindToDevice is 'sixteen-letters-'; {AnyBytes}"),
        (static o => o.BindToDevice = "üüüüüüüü", $"BindToDevice is 'üüüüüüüü'; {AnyBytes}"),
        (static o => o.BindToDevice = "l\0o", $"BindToDevice is 'l\0o'; {AnyBytes}"),
        (static o => o.Linger = TimeSpan.FromSeconds(-1),
            "Linger is -00:00:01; it must be a whole number of seconds from 0 to 65535."),
        (static o => o.Linger = TimeSpan.FromMilliseconds(500),
            "Linger is 00:00:00.5000000; it must be a whole number of seconds from 0 to 65535."),
        (static o => o.Linger = TimeSpan.FromSeconds(65536),
            "Linger is 18:12:16; it must be a whole number of seconds from 0 to 65535."),
        (static o => o.BusyPoll = TimeSpan.FromTicks(15),
            "BusyPoll is 00:00:00.0000015; it must be a whole number of microseconds from 0 to 1000000."),
        (static o => o.BusyPoll = TimeSpan.FromSeconds(2),
            "BusyPoll is 00:00:02; it must be a whole number of microseconds from 0 to 1000000."),
        (static o => o.BusyPoll = TimeSpan.FromMicroseconds(-1),
            "BusyPoll is -00:00:00.0000010; it must be a whole number of microseconds from 0 to 1000000."),
        (static o => o.Priority = -1, "Priority is -1; it must be from 0 to 2147483647."),
        (static o => o.TypeOfService = -4, "TypeOfService is -4; it must be from 0 to 252 in steps of 4."),
        (static o => o.TypeOfService = 3, "TypeOfService is 3; it must be from 0 to 252 in steps of 4."),
        (static o => o.TypeOfService = 256, "TypeOfService is 256; it must be from 0 to 252 in steps of 4."),
        (static o => o.IncomingCpu = -1, "IncomingCpu is -1; it must be from 0 to 8191."),
        (static o => o.IncomingCpu = 8192, "IncomingCpu is 8192; it must be from 0 to 8191."),
        (static o => o.AcceptMode = (AcceptMode)9,
            "AcceptMode is 9; it must be one of SharedListener, ListenerPerLoop."),
        (static o => o.LoadBalancingPolicy = (LoadBalancingPolicy)(-1),
            "LoadBalancingPolicy is -1; it must be one of RoundRobin, LeastConnections, SourceAddressHash."),
        (static o => o.MaxConnections = 0, $"MaxConnections is 0; {AnyInt}"),
        (static o => o.MaxConnectionsPolicy = (MaxConnectionsPolicy)2,
            "MaxConnectionsPolicy is 2; it must be one of Pause, Refuse."),
        (static o => o.TcpInfoSampling = 0, $"TcpInfoSampling is 0; {AnyInt}"),
        (static o => o.TcpInfoSamplingInterval = TimeSpan.FromMilliseconds(99),
            "TcpInfoSamplingInterval is 00:00:00.0990000; "
            + "it must be a whole number of milliseconds from 100 to 2147483647."),
        (static o => o.AcceptBatchSize = 0, "AcceptBatchSize is 0; it must be from 1 to 1024."),
        (static o => o.AcceptBatchSize = 1025, "AcceptBatchSize is 1025; it must be from 1 to 1024."),
        (static o => o.TakeoverPeriod = TimeSpan.FromSeconds(-1),
            "TakeoverPeriod is -00:00:01; it must be from 00:00:00 to 00:01:00."),
        (static o => o.TakeoverPeriod = TimeSpan.FromSeconds(61),
            "TakeoverPeriod is 00:01:01; it must be from 00:00:00 to 00:01:00."),
        (static o => o.IdleTimeout = TimeSpan.Zero, $"IdleTimeout is 00:00:00; {Milliseconds}"),
        (static o => o.ReceiveIdleTimeout = TimeSpan.Zero, $"ReceiveIdleTimeout is 00:00:00; {Milliseconds}"),
        (static o => o.SendStallTimeout = TimeSpan.Zero, $"SendStallTimeout is 00:00:00; {Milliseconds}"),
        (static o => o.FirstByteTimeout = TimeSpan.Zero, $"FirstByteTimeout is 00:00:00; {Milliseconds}"),
        (static o => o.CloseTimeout = TimeSpan.Zero, $"CloseTimeout is 00:00:00; {Milliseconds}"),
        (static o => o.MaxConnectionLifetime = TimeSpan.Zero, $"MaxConnectionLifetime is 00:00:00; {Milliseconds}"),
        (static o => o.IdleTimeout = TimeSpan.FromMicroseconds(1500),
            $"IdleTimeout is 00:00:00.0015000; {Milliseconds}"),
        (static o => o.CloseTimeout = Timeout.InfiniteTimeSpan, $"CloseTimeout is -00:00:00.0010000; {Milliseconds}"),
        (static o => o.MaxReadBufferSize = -1,
            "MaxReadBufferSize is -1; it must be at least 1, or null or 0 for unlimited."),
        (static o => o.MaxWriteBufferSize = -1,
            "MaxWriteBufferSize is -1; it must be at least 1, or null or 0 for unlimited."),
        (static o => o.Tcp.KeepAlive.Time = TimeSpan.Zero, $"Tcp.KeepAlive.Time is 00:00:00; {KeepAliveTime}"),
        (static o => o.Tcp.KeepAlive.Time = TimeSpan.FromMilliseconds(999),
            $"Tcp.KeepAlive.Time is 00:00:00.9990000; {KeepAliveTime}"),
        (static o => o.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(32768),
            $"Tcp.KeepAlive.Time is 09:06:08; {KeepAliveTime}"),
        (static o => o.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(1.5),
            $"Tcp.KeepAlive.Interval is 00:00:01.5000000; {KeepAliveTime}"),
        (static o => o.Tcp.KeepAlive.Interval = TimeSpan.MaxValue,
            $"Tcp.KeepAlive.Interval is 10675199.02:48:05.4775807; {KeepAliveTime}"),
        (static o => o.Tcp.KeepAlive.RetryCount = 0, "Tcp.KeepAlive.RetryCount is 0; it must be from 1 to 127."),
        (static o => o.Tcp.KeepAlive.RetryCount = 128, "Tcp.KeepAlive.RetryCount is 128; it must be from 1 to 127."),
        (static o => o.Tcp.UserTimeout = TimeSpan.Zero,
            "Tcp.UserTimeout is 00:00:00; it must be a whole number of milliseconds from 1 to 2147483647."),
        (static o => o.Tcp.UserTimeout = TimeSpan.FromMicroseconds(1500), "Tcp.UserTimeout is 00:00:00.0015000; "
            + "it must be a whole number of milliseconds from 1 to 2147483647."),
        (static o => o.Tcp.UserTimeout = TimeSpan.FromDays(30),
            "Tcp.UserTimeout is 30.00:00:00; it must be a whole number of milliseconds from 1 to 2147483647."),
        (static o => o.Tcp.FastOpenQueue = 0, $"Tcp.FastOpenQueue is 0; {AnyInt}"),
        (static o => o.Tcp.DeferAccept = TimeSpan.FromMilliseconds(1),
            "Tcp.DeferAccept is 00:00:00.0010000; it must be a whole number of seconds from 1 to 3600."),
        (static o => o.Tcp.DeferAccept = TimeSpan.FromHours(2),
            "Tcp.DeferAccept is 02:00:00; it must be a whole number of seconds from 1 to 3600."),
        (static o => o.Tcp.NotSentLowWatermark = 0, $"Tcp.NotSentLowWatermark is 0; {AnyInt}"),
        (static o => o.Tcp.CongestionControl = "", $"Tcp.CongestionControl is ''; {AnyBytes}"),
        (static o => o.Tcp.CongestionControl = "sixteen-letters-",
            $"Tcp.CongestionControl is 'sixteen-letters-'; {AnyBytes}"),
        (static o => o.Tcp.MaximumSegmentSize = 87, "Tcp.MaximumSegmentSize is 87; it must be from 88 to 32767."),
        (static o => o.Tcp.MaximumSegmentSize = 32768, "Tcp.MaximumSegmentSize is 32768; it must be from 88 to 32767."),
        (static o => o.Unix.FileMode = (UnixFileMode)0x200,
            "Unix.FileMode is 1000 (octal); it must be from 000 to 777 (octal)."),
        (static o => o.Unix.FileMode = (UnixFileMode)(-1),
            "Unix.FileMode is 37777777777 (octal); it must be from 000 to 777 (octal)."),
        (static o => o.Unix.Owner = "", "Unix.Owner is ''; it must have from 1 to 255 bytes, none of them zero."),
        (static o => o.Unix.Group = new string('g', 256),
            $"Unix.Group is '{new string('g', 256)}'; it must have from 1 to 255 bytes, none of them zero."),
        (static o => o.ProxyProtocol = new(), "ProxyProtocol.TrustedNetworks is empty; "
            + "it must name the proxies, or set TrustUnixPeers."),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.0/33" } },
            $"ProxyProtocol.TrustedNetworks is '10.0.0.0/33'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "fe80::1%1" } },
            $"ProxyProtocol.TrustedNetworks is 'fe80::1%1'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "010.0.0.0/8" } },
            $"ProxyProtocol.TrustedNetworks is '010.0.0.0/8'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10" } },
            $"ProxyProtocol.TrustedNetworks is '10'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.1" } },
            $"ProxyProtocol.TrustedNetworks is '10.1'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.1/16" } },
            $"ProxyProtocol.TrustedNetworks is '10.1/16'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "0xA000001" } },
            $"ProxyProtocol.TrustedNetworks is '0xA000001'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.1/8" } },
            $"ProxyProtocol.TrustedNetworks is '10.0.0.1/8'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.0/" } },
            $"ProxyProtocol.TrustedNetworks is '10.0.0.0/'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.0/08" } },
            $"ProxyProtocol.TrustedNetworks is '10.0.0.0/08'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.0/-1" } },
            $"ProxyProtocol.TrustedNetworks is '10.0.0.0/-1'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "[::1]" } },
            $"ProxyProtocol.TrustedNetworks is '[::1]'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "[::1]:80" } },
            $"ProxyProtocol.TrustedNetworks is '[::1]:80'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "[::1]/128" } },
            $"ProxyProtocol.TrustedNetworks is '[::1]/128'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "::1/0" } },
            $"ProxyProtocol.TrustedNetworks is '::1/0'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "::1/129" } },
            $"ProxyProtocol.TrustedNetworks is '::1/129'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "::ffff:10.0.0.0/8" } },
            $"ProxyProtocol.TrustedNetworks is '::ffff:10.0.0.0/8'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "::ffff:0:0/95" } },
            $"ProxyProtocol.TrustedNetworks is '::ffff:0:0/95'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "::ffff:010.0.0.1" } },
            $"ProxyProtocol.TrustedNetworks is '::ffff:010.0.0.1'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { " 10.0.0.1" } },
            $"ProxyProtocol.TrustedNetworks is ' 10.0.0.1'; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustedNetworks = { "" } },
            $"ProxyProtocol.TrustedNetworks is ''; {AnyNetwork}"),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, UntrustedPeers = (UntrustedPeerPolicy)2 },
            "ProxyProtocol.UntrustedPeers is 2; it must be one of Refuse, PassAsIs."),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, Versions = ProxyProtocolVersions.None },
            "ProxyProtocol.Versions is None; it must be one of V1, V2, All."),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, Versions = (ProxyProtocolVersions)4 },
            "ProxyProtocol.Versions is 4; it must be one of V1, V2, All."),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, HeaderTimeout = TimeSpan.Zero },
            "ProxyProtocol.HeaderTimeout is 00:00:00; "
            + "it must be a whole number of milliseconds from 1 to 3600000."),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, MaxHeaderLength = 231 },
            "ProxyProtocol.MaxHeaderLength is 231; it must be from 232 to 65551."),
        (static o => o.ProxyProtocol = new() { TrustUnixPeers = true, MaxHeaderLength = 65552 },
            "ProxyProtocol.MaxHeaderLength is 65552; it must be from 232 to 65551."),
    ];

    private static readonly Action<EndpointOptions>[] _right =
    [
        static o => o.ReceiveBufferSize = 1,
        static o => o.SendBufferSize = int.MaxValue,
        static o => o.Linger = TimeSpan.FromSeconds(65535),
        static o => o.BusyPoll = TimeSpan.Zero,
        static o => o.Priority = 0,
        static o => o.Priority = 6,
        static o => o.TypeOfService = 252,
        static o => o.TypeOfService = 0,
        static o => o.IncomingCpu = 8191,
        static o => o.MaxConnections = 1,
        static o => o.TcpInfoSampling = 1,
        static o => o.TcpInfoSamplingInterval = TimeSpan.FromMilliseconds(100),
        static o => o.AcceptBatchSize = 1,
        static o => o.AcceptBatchSize = 1024,
        static o => o.TakeoverPeriod = TimeSpan.Zero,
        static o => o.TakeoverPeriod = TimeSpan.FromMinutes(1),
        static o => o.IdleTimeout = TimeSpan.FromMilliseconds(1),
        static o => o.MaxConnectionLifetime = TimeSpan.FromMilliseconds(int.MaxValue),
        static o => o.CloseTimeout = null,
        static o => o.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(1),
        static o => o.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(32767),
        static o => o.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(1),
        static o => o.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(32767),
        static o => o.Tcp.KeepAlive.RetryCount = 1,
        static o => o.Tcp.KeepAlive.RetryCount = 127,
        static o => o.Tcp.KeepAlive.Enabled = false,
        static o => o.Tcp.UserTimeout = TimeSpan.FromMilliseconds(1),
        static o => o.Tcp.UserTimeout = TimeSpan.FromMilliseconds(int.MaxValue),
        static o => o.Tcp.FastOpenQueue = 1,
        static o => o.Tcp.FastOpenQueue = int.MaxValue,
        static o => o.Tcp.DeferAccept = TimeSpan.FromSeconds(1),
        static o => o.Tcp.DeferAccept = TimeSpan.FromHours(1),
        static o => o.Tcp.NotSentLowWatermark = 1,
        static o => o.Tcp.NotSentLowWatermark = int.MaxValue,
        static o => o.Tcp.MaximumSegmentSize = 88,
        static o => o.Tcp.MaximumSegmentSize = 32767,
        static o => o.ProxyProtocol = new() { TrustedNetworks = { "10.0.0.0/8", "::1", "fd00::/8", "192.0.2.1" } },
        static o => o.ProxyProtocol = new() { TrustedNetworks = { "0.0.0.0/0", "::/0", "10.0.0.1/32", "::1/128" } },
        static o => o.ProxyProtocol = new() { TrustedNetworks = { "::ffff:0:0/96", "::ffff:10.0.0.0/104" } },
        static o => o.ProxyProtocol = new() { TrustUnixPeers = true, MaxHeaderLength = 232 },
        static o => o.ProxyProtocol = new() { TrustUnixPeers = true, HeaderTimeout = TimeSpan.FromHours(1) },
    ];

    public static TheoryData<int> Wrong => [.. Enumerable.Range(0, _wrong.Length)];

    public static TheoryData<int> Right => [.. Enumerable.Range(0, _right.Length)];

    [Theory]
    [MemberData(nameof(Wrong))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task A_wrong_value_stops_the_start_with_exactly_this_message(int index)
    {
        var (set, message) = _wrong[index];

        var exception = await StartAsync(options => set(options.EndpointDefaults));

        Assert.Equal($"EventLoopTransportOptions.EndpointDefaults.{message}", exception.Message);
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task A_wrong_value_of_one_endpoint_names_the_endpoint(int index)
    {
        var (set, message) = _wrong[index];

        var exception = await StartAsync(
            options => options.ConfigureEndpoint(new IPEndPoint(IPAddress.Loopback, 0), set));

        var ofEndpoint = message.Replace(" is ", " of 127.0.0.1:0 is ", StringComparison.Ordinal);
        Assert.Equal($"EndpointOptions.{ofEndpoint}", exception.Message);
    }

    [Fact]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task What_is_wrong_with_the_defaults_is_not_repeated_for_endpoints()
    {
        var exception = await StartAsync(static options =>
        {
            options.Backlog = -1;
            options.ConfigureEndpoint("http://*:80", static endPoint => endPoint.Priority = -2);
            options.ConfigureEndpoint("http://unix:/s", static _ => { });
        });

        Assert.Equal(
            [
                "EventLoopTransportOptions.EndpointDefaults.Backlog is -1; it must be from 1 to 2147483647.",
                "EndpointOptions.Priority of http://*:80 is -2; it must be from 0 to 2147483647.",
            ],
            exception.Failures);
    }

    [Theory]
    [MemberData(nameof(Right))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task The_kernel_takes_values_at_the_ends_of_the_ranges(int index)
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.ThreadPool, options => _right[index](options.EndpointDefaults));

        await transport.BindAsync();
    }

    private static Task<OptionsValidationException> StartAsync(Action<EventLoopTransportOptions> configure)
        => Assert.ThrowsAsync<OptionsValidationException>(() => TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.ThreadPool,
            Transport = configure,
            Connection = Echo.RunAsync,
        }));
}
