using System.Text;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>
/// Checks the options of one endpoint. Collects each option whose value is out of range, with the value and the range.
/// </summary>
internal sealed class EndpointOptionsValidator
{
    private static readonly TimeSpan _maxTakeoverPeriod = TimeSpan.FromMinutes(1);

    private readonly List<(string Option, string Problem)> _problems = [];

    private EndpointOptionsValidator()
    {
    }

    internal static IReadOnlyList<(string Option, string Problem)> Check(EndpointOptions options)
    {
        var validator = new EndpointOptionsValidator();
        validator.CheckSocket(options);
        validator.CheckAccepting(options);
        validator.CheckLimits(options);
        validator.CheckTcp(options.Tcp);
        validator.CheckUnix(options.Unix);
        validator.CheckProxyProtocol(options.ProxyProtocol);
        return validator._problems;
    }

    internal static IReadOnlyList<(string Option, string Problem)> Check(UnixSocketOptions options)
    {
        var validator = new EndpointOptionsValidator();
        validator.CheckUnix(options);
        return validator._problems;
    }

    private void CheckSocket(EndpointOptions options)
    {
        CheckRange(nameof(options.Backlog), options.Backlog, 1, int.MaxValue);
        CheckRange(nameof(options.ReceiveBufferSize), options.ReceiveBufferSize, 1, int.MaxValue);
        CheckRange(nameof(options.SendBufferSize), options.SendBufferSize, 1, int.MaxValue);
        CheckBytes(nameof(options.BindToDevice), options.BindToDevice, 15);
        CheckTime(nameof(options.Linger), options.Linger, TimeSpan.TicksPerSecond, "seconds", 0, ushort.MaxValue);
        CheckTime(
            nameof(options.BusyPoll), options.BusyPoll, TimeSpan.TicksPerMicrosecond, "microseconds", 0, 1_000_000);
        CheckRange(nameof(options.Priority), options.Priority, 0, int.MaxValue);
        if (options.TypeOfService is { } type && (type is < 0 or > 252 || type % 4 != 0))
        {
            Add(nameof(options.TypeOfService), $"{type}; it must be from 0 to 252 in steps of 4");
        }

        CheckRange(nameof(options.IncomingCpu), options.IncomingCpu, 0, 8191);
        CheckBufferSize(nameof(options.MaxReadBufferSize), options.MaxReadBufferSize);
        CheckBufferSize(nameof(options.MaxWriteBufferSize), options.MaxWriteBufferSize);
    }

    private void CheckAccepting(EndpointOptions options)
    {
        CheckName(nameof(options.AcceptMode), options.AcceptMode);
        CheckName(nameof(options.LoadBalancingPolicy), options.LoadBalancingPolicy);
        CheckRange(nameof(options.MaxConnections), options.MaxConnections, 1, int.MaxValue);
        CheckName(nameof(options.MaxConnectionsPolicy), options.MaxConnectionsPolicy);
        CheckRange(nameof(options.TcpInfoSampling), options.TcpInfoSampling, 1, int.MaxValue);
        CheckTime(
            nameof(options.TcpInfoSamplingInterval),
            options.TcpInfoSamplingInterval,
            TimeSpan.TicksPerMillisecond,
            "milliseconds",
            100,
            int.MaxValue);
        CheckRange(nameof(options.AcceptBatchSize), options.AcceptBatchSize, 1, 1024);
        if (options.TakeoverPeriod < TimeSpan.Zero || options.TakeoverPeriod > _maxTakeoverPeriod)
        {
            Add(
                nameof(options.TakeoverPeriod),
                $"{options.TakeoverPeriod}; it must be from {TimeSpan.Zero} to {_maxTakeoverPeriod}");
        }
    }

    private void CheckLimits(EndpointOptions options)
    {
        CheckLimit(nameof(options.IdleTimeout), options.IdleTimeout);
        CheckLimit(nameof(options.ReceiveIdleTimeout), options.ReceiveIdleTimeout);
        CheckLimit(nameof(options.SendStallTimeout), options.SendStallTimeout);
        CheckLimit(nameof(options.FirstByteTimeout), options.FirstByteTimeout);
        CheckLimit(nameof(options.CloseTimeout), options.CloseTimeout);
        CheckLimit(nameof(options.MaxConnectionLifetime), options.MaxConnectionLifetime);
    }

    private void CheckTcp(TcpSocketOptions tcp)
    {
        var keepAlive = tcp.KeepAlive;
        CheckTime("Tcp.KeepAlive.Time", keepAlive.Time, TimeSpan.TicksPerSecond, "seconds", 1, short.MaxValue);
        CheckTime("Tcp.KeepAlive.Interval", keepAlive.Interval, TimeSpan.TicksPerSecond, "seconds", 1, short.MaxValue);
        CheckRange("Tcp.KeepAlive.RetryCount", keepAlive.RetryCount, 1, 127);
        CheckTime("Tcp.UserTimeout", tcp.UserTimeout, TimeSpan.TicksPerMillisecond, "milliseconds", 1, int.MaxValue);
        CheckRange("Tcp.FastOpenQueue", tcp.FastOpenQueue, 1, int.MaxValue);
        CheckTime("Tcp.DeferAccept", tcp.DeferAccept, TimeSpan.TicksPerSecond, "seconds", 1, 3600);
        CheckRange("Tcp.NotSentLowWatermark", tcp.NotSentLowWatermark, 1, int.MaxValue);
        CheckBytes("Tcp.CongestionControl", tcp.CongestionControl, 15);
        CheckRange("Tcp.MaximumSegmentSize", tcp.MaximumSegmentSize, 88, short.MaxValue);
    }

    private void CheckUnix(UnixSocketOptions unix)
    {
        if (unix.FileMode is { } mode && ((int)mode & ~0x1FF) != 0)
        {
            Add("Unix.FileMode", $"{Convert.ToString((int)mode, 8)} (octal); it must be from 000 to 777 (octal)");
        }

        CheckBytes("Unix.Owner", unix.Owner, 255);
        CheckBytes("Unix.Group", unix.Group, 255);
    }

    private void CheckProxyProtocol(ProxyProtocolOptions? proxies)
    {
        if (proxies is null)
        {
            return;
        }

        if (proxies.TrustedNetworks.Count == 0 && !proxies.TrustUnixPeers)
        {
            Add("ProxyProtocol.TrustedNetworks", "empty; it must name the proxies, or set TrustUnixPeers");
        }

        foreach (var network in proxies.TrustedNetworks)
        {
            if (!ProxyProtocolOptions.TryParseNetwork(network, out _))
            {
                Add(
                    "ProxyProtocol.TrustedNetworks",
                    $"'{network}'; it must be an address, or a network such as 10.0.0.0/8");
            }
        }

        CheckName("ProxyProtocol.UntrustedPeers", proxies.UntrustedPeers);
        if (proxies.Versions is < ProxyProtocolVersions.V1 or > ProxyProtocolVersions.All)
        {
            Add("ProxyProtocol.Versions", $"{proxies.Versions}; it must be one of V1, V2, All");
        }

        CheckTime(
            "ProxyProtocol.HeaderTimeout",
            proxies.HeaderTimeout,
            TimeSpan.TicksPerMillisecond,
            "milliseconds",
            1,
            3_600_000);
        CheckRange("ProxyProtocol.MaxHeaderLength", proxies.MaxHeaderLength, 232, 65551);
    }

    private void CheckName<TEnum>(string option, TEnum value)
        where TEnum : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            Add(option, $"{value}; it must be one of {string.Join(", ", Enum.GetNames<TEnum>())}");
        }
    }

    private void CheckRange(string option, int? value, int min, int max)
    {
        if (value < min || value > max)
        {
            Add(option, $"{value}; it must be from {min} to {max}");
        }
    }

    private void CheckTime(string option, TimeSpan? value, long unit, string units, long min, long max)
    {
        if (value is { } time && (time.Ticks % unit != 0 || time.Ticks / unit < min || time.Ticks / unit > max))
        {
            Add(option, $"{time}; it must be a whole number of {units} from {min} to {max}");
        }
    }

    private void CheckLimit(string option, TimeSpan? value)
        => CheckTime(option, value, TimeSpan.TicksPerMillisecond, "milliseconds", 1, int.MaxValue);

    private void CheckBytes(string option, string? value, int max)
    {
        if (value is not null && (value.Contains('\0') || value == "" || Encoding.UTF8.GetByteCount(value) > max))
        {
            Add(option, $"'{value}'; it must have from 1 to {max} bytes, none of them zero");
        }
    }

    private void CheckBufferSize(string option, long? value)
    {
        if (value < 0)
        {
            Add(option, $"{value}; it must be at least 1, or null or 0 for unlimited");
        }
    }

    private void Add(string option, string problem) => _problems.Add((option, problem));
}
