namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>One option: how a user sets it, and where and as what the kernel shows it.</summary>
/// <param name="Set">Sets it to a value that is not the default.</param>
/// <param name="Level">The protocol level.</param>
/// <param name="Name">The option's number.</param>
/// <param name="Listener">What the listening socket shows.</param>
/// <param name="Accepted">What an accepted socket shows; null where it shows nothing of use.</param>
internal sealed record KernelOption(Action<EndpointOptions> Set, int Level, int Name, byte[] Listener, byte[]? Accepted)
{
    private const int Socket = 1;
    private const int IP = 0;
    private const int Tcp = 6;
    private const int IPv6 = 41;

    /// <summary>Those of every IP socket.</summary>
    public static readonly Dictionary<string, KernelOption> OfIP = new()
    {
        ["ReuseAddress"] = Number(static o => o.ReuseAddress = false, Socket, 2, 0),
        ["ReusePort"] = Number(static o => o.ReusePort = true, Socket, 15, 1),

        // The kernel doubles the sizes (socket(7)).
        ["ReceiveBufferSize"] = Number(static o => o.ReceiveBufferSize = 100_000, Socket, 8, 200_000),
        ["SendBufferSize"] = Number(static o => o.SendBufferSize = 120_000, Socket, 7, 240_000),
        ["BindToDevice"] = Text(static o => o.BindToDevice = "lo", Socket, 25, "lo\0"),
        ["Linger"] = new(
            static o => o.Linger = TimeSpan.FromSeconds(7),
            Socket,
            13,
            [1, 0, 0, 0, 7, 0, 0, 0],
            [1, 0, 0, 0, 7, 0, 0, 0]),
        ["Linger 0"] = new(
            static o => o.Linger = TimeSpan.Zero, Socket, 13, [1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]),
        ["BusyPoll"] = Number(static o => o.BusyPoll = TimeSpan.FromMicroseconds(50), Socket, 46, 50),
        ["Priority"] = Number(static o => o.Priority = 5, Socket, 12, 5),

        // On an accepted socket the kernel shows the processor that packets came in by.
        ["IncomingCpu"] = Number(static o => o.IncomingCpu = 1, Socket, 49, 1) with { Accepted = null },
        ["Tcp.NoDelay"] = Number(static o => o.Tcp.NoDelay = false, Tcp, 1, 0),
        ["Tcp.KeepAlive.Enabled"] = Number(static o => o.Tcp.KeepAlive.Enabled = true, Socket, 9, 1),
        ["Tcp.KeepAlive by Time"] = Number(static o => o.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(111), Socket, 9, 1),
        ["Tcp.KeepAlive.Time"] = Number(static o => o.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(111), Tcp, 4, 111),
        ["Tcp.KeepAlive.Interval"] = Number(
            static o => o.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(22), Tcp, 5, 22),
        ["Tcp.KeepAlive.RetryCount"] = Number(static o => o.Tcp.KeepAlive.RetryCount = 4, Tcp, 6, 4),
        ["Tcp.UserTimeout"] = Number(static o => o.Tcp.UserTimeout = TimeSpan.FromMilliseconds(5500), Tcp, 18, 5500),

        ["Tcp.QuickAck"] = new(
            static o => o.Tcp.QuickAck = false, Tcp, 12, BitConverter.GetBytes(0), BitConverter.GetBytes(0)),
        ["Tcp.FastOpenQueue"] = Number(static o => o.Tcp.FastOpenQueue = 17, Tcp, 23, 17) with { Accepted = null },

        // Rounded up to retransmissions, after 1, 3, 7 seconds (tcp(7)).
        ["Tcp.DeferAccept"] = Number(
            static o => o.Tcp.DeferAccept = TimeSpan.FromSeconds(3), Tcp, 9, 3) with
        { Accepted = null },
        ["Tcp.NotSentLowWatermark"] = Number(static o => o.Tcp.NotSentLowWatermark = 16_384, Tcp, 25, 16_384),
        ["Tcp.CongestionControl"] = Text(
            static o => o.Tcp.CongestionControl = "reno", Tcp, 13, "reno\0\0\0\0\0\0\0\0\0\0\0\0"),

        // Less 12 bytes for the time stamp option once connected (RFC 7323).
        ["Tcp.MaximumSegmentSize"] = Number(static o => o.Tcp.MaximumSegmentSize = 500, Tcp, 2,
            500) with
        { Accepted = BitConverter.GetBytes(488) },
        ["TypeOfService"] = Number(static o => o.TypeOfService = 0x28, IP, 1, 0x28),
        ["Priority after TypeOfService"] = Number(
            static o =>
            {
                o.Priority = 3;
                o.TypeOfService = 0x28;
            },
            Socket,
            12,
            3),
    };

    /// <summary>Those of IPv6 sockets besides.</summary>
    public static readonly Dictionary<string, KernelOption> OfIPv6 = new()
    {
        ["TypeOfService (traffic class)"] = Number(static o => o.TypeOfService = 0x28, IPv6, 67, 0x28),
    };

    public static readonly Dictionary<string, KernelOption> OfUnix = new()
    {
        ["ReceiveBufferSize"] = OfIP["ReceiveBufferSize"],
        ["SendBufferSize"] = OfIP["SendBufferSize"],
    };

    private static KernelOption Number(Action<EndpointOptions> set, int level, int name, int value)
        => new(set, level, name, BitConverter.GetBytes(value), BitConverter.GetBytes(value));

    private static KernelOption Text(Action<EndpointOptions> set, int level, int name, string value)
        => new(set, level, name, System.Text.Encoding.ASCII.GetBytes(value), System.Text.Encoding.ASCII.GetBytes(
            value));
}
