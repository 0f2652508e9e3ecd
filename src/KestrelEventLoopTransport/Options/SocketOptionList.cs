using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Options;

/// <summary>
/// Turns <see cref="EndpointOptions"/> into socket options. On Linux accepted IP sockets inherit all options of the
/// listening socket but SO_PRIORITY (sk_clone sets it to 0) and TCP_QUICKACK; accepted Unix sockets inherit none. The
/// lists also have options that the running system lacks (<see cref="Platform.Missing"/>): setting those fails.
/// </summary>
internal static class SocketOptionList
{
    /// <summary>For an IP socket that is about to be bound.</summary>
    /// <param name="options">The endpoint's options.</param>
    /// <param name="isV6">Whether the socket is an IPv6 one.</param>
    /// <param name="isDual">Whether it serves IPv4 too.</param>
    internal static List<SocketOption> ForBinding(EndpointOptions options, bool isV6, bool isDual)
    {
        var list = new List<SocketOption>
        {
            Int32(
                nameof(options.ReuseAddress), Platform.SOL_SOCKET, Platform.SO_REUSEADDR, options.ReuseAddress ? 1 : 0),
        };
        if (options.ReusePort)
        {
            list.Add(Int32(nameof(options.ReusePort), Platform.SOL_SOCKET, Platform.SO_REUSEPORT, 1));
        }

        if (isV6)
        {
            list.Add(Int32(nameof(options.DualMode), Posix.IPPROTO_IPV6, Platform.IPV6_V6ONLY, isDual ? 0 : 1));
        }

        if (options.BindToDevice is { } device)
        {
            list.Add(Text(nameof(options.BindToDevice), Platform.SOL_SOCKET, Platform.SO_BINDTODEVICE, device));
        }

        return list;
    }

    /// <summary>For an IP socket that is about to listen.</summary>
    internal static List<SocketOption> ForListening(EndpointOptions options, bool isV6)
    {
        var list = new List<SocketOption>();
        AddBufferSizes(list, options);
        if (options.Linger is { } linger)
        {
            // struct linger: on, seconds.
            byte[] value = [.. BitConverter.GetBytes(1), .. BitConverter.GetBytes((int)linger.TotalSeconds)];
            list.Add(new SocketOption(nameof(options.Linger), Platform.SOL_SOCKET, Platform.SO_LINGER_SEC, value));
        }

        var busyPoll = (int?)options.BusyPoll?.TotalMicroseconds;
        Add(list, nameof(options.BusyPoll), Platform.SOL_SOCKET, Platform.SO_BUSY_POLL, busyPoll);
        if (!isV6 || OperatingSystem.IsLinux())
        {
            // Elsewhere IPv6 sockets refuse the option (ip6_ctloutput), and their IPv4 packets have no type of service.
            Add(list, nameof(options.TypeOfService), Posix.IPPROTO_IP, Platform.IP_TOS, options.TypeOfService);
        }

        if (isV6)
        {
            Add(list, nameof(options.TypeOfService), Posix.IPPROTO_IPV6, Platform.IPV6_TCLASS, options.TypeOfService);
        }
        // After IP_TOS, which sets the priority too.
        Add(list, nameof(options.Priority), Platform.SOL_SOCKET, Platform.SO_PRIORITY, options.Priority);
        Add(list, nameof(options.IncomingCpu), Platform.SOL_SOCKET, Platform.SO_INCOMING_CPU, options.IncomingCpu);
        AddTcp(list, options.Tcp);
        return list;
    }

    /// <summary>For an IP socket that is about to connect.</summary>
    /// <param name="options">The client's options.</param>
    /// <param name="isV6">Whether the socket is an IPv6 one.</param>
    internal static SocketOption[] ForConnecting(EndpointOptions options, bool isV6)
    {
        var list = ForListening(options, isV6);
        if (options.BindToDevice is { } device)
        {
            list.Add(Text(nameof(options.BindToDevice), Platform.SOL_SOCKET, Platform.SO_BINDTODEVICE, device));
        }

        return [.. list];
    }

    internal static SocketOption[] ForAcceptedIP(EndpointOptions options)
    {
        var list = new List<SocketOption>();
        Add(list, nameof(options.Priority), Platform.SOL_SOCKET, Platform.SO_PRIORITY, options.Priority);
        Add(list, "Tcp.QuickAck", Posix.IPPROTO_TCP, Platform.TCP_QUICKACK, AsInt32(options.Tcp.QuickAck));
        return [.. list];
    }

    internal static SocketOption[] ForAcceptedUnix(EndpointOptions options)
    {
        var list = new List<SocketOption>();
        AddBufferSizes(list, options);
        return [.. list];
    }

    private static void AddBufferSizes(List<SocketOption> list, EndpointOptions options)
    {
        var received = options.ReceiveBufferSize;
        Add(list, nameof(options.ReceiveBufferSize), Platform.SOL_SOCKET, Platform.SO_RCVBUF, received);
        Add(list, nameof(options.SendBufferSize), Platform.SOL_SOCKET, Platform.SO_SNDBUF, options.SendBufferSize);
    }

    private static void AddTcp(List<SocketOption> list, TcpSocketOptions tcp)
    {
        list.Add(Int32("Tcp.NoDelay", Posix.IPPROTO_TCP, Posix.TCP_NODELAY, tcp.NoDelay ? 1 : 0));

        var keepAlive = tcp.KeepAlive;
        var probes = keepAlive.Time is not null || keepAlive.Interval is not null || keepAlive.RetryCount is not null;
        var isEnabled = AsInt32(keepAlive.Enabled ?? (probes ? true : null));
        var interval = (int?)keepAlive.Interval?.TotalSeconds;
        Add(list, "Tcp.KeepAlive.Enabled", Platform.SOL_SOCKET, Platform.SO_KEEPALIVE, isEnabled);
        Add(list, "Tcp.KeepAlive.Time", Posix.IPPROTO_TCP, Platform.TCP_KEEPIDLE, (int?)keepAlive.Time?.TotalSeconds);
        Add(list, "Tcp.KeepAlive.Interval", Posix.IPPROTO_TCP, Platform.TCP_KEEPINTVL, interval);
        Add(list, "Tcp.KeepAlive.RetryCount", Posix.IPPROTO_TCP, Platform.TCP_KEEPCNT, keepAlive.RetryCount);

        var userTimeout = (int?)tcp.UserTimeout?.TotalMilliseconds;
        Add(list, "Tcp.UserTimeout", Posix.IPPROTO_TCP, Platform.TCP_USER_TIMEOUT, userTimeout);
        // Not inherited, but on a kernel without the option the start fails here.
        Add(list, "Tcp.QuickAck", Posix.IPPROTO_TCP, Platform.TCP_QUICKACK, AsInt32(tcp.QuickAck));
        Add(list, "Tcp.FastOpenQueue", Posix.IPPROTO_TCP, Platform.TCP_FASTOPEN, tcp.FastOpenQueue);
        Add(list, "Tcp.DeferAccept", Posix.IPPROTO_TCP, Platform.TCP_DEFER_ACCEPT, (int?)tcp.DeferAccept?.TotalSeconds);
        Add(list, "Tcp.NotSentLowWatermark", Posix.IPPROTO_TCP, Platform.TCP_NOTSENT_LOWAT, tcp.NotSentLowWatermark);
        Add(list, "Tcp.MaximumSegmentSize", Posix.IPPROTO_TCP, Posix.TCP_MAXSEG, tcp.MaximumSegmentSize);
        if (tcp.CongestionControl is { } algorithm)
        {
            list.Add(Text("Tcp.CongestionControl", Posix.IPPROTO_TCP, Platform.TCP_CONGESTION, algorithm));
        }
    }

    private static int? AsInt32(bool? value) => value is { } given ? (given ? 1 : 0) : null;

    private static void Add(List<SocketOption> list, string option, int level, int name, int? value)
    {
        if (value is { } given)
        {
            list.Add(Int32(option, level, name, given));
        }
    }

    private static SocketOption Int32(string option, int level, int name, int value)
        => SocketOption.FromInt32($"{option} = {value}", level, name, value);

    private static SocketOption Text(string option, int level, int name, string value)
        => new($"{option} = '{value}'", level, name, Encoding.UTF8.GetBytes(value + '\0'));
}
