namespace KestrelEventLoopTransport;

/// <summary>
/// Options of a listening endpoint and of the connections that it accepts. Where <see langword="null"/> is allowed it
/// means that the kernel's default stays.
/// </summary>
/// <remarks>
/// What is marked "IP only" or "TCP only" is not applied to Unix sockets. To a socket that came from outside
/// (<c>FileHandleEndPoint</c>), nothing is applied that belongs to binding: <see cref="ReuseAddress"/>,
/// <see cref="ReusePort"/>, <see cref="BindToDevice"/>, <see cref="DualMode"/> and <see cref="Unix"/>. An option that
/// the operating system does not have or does not permit fails the bind with a
/// <see cref="System.Net.Sockets.SocketException"/> that names it.
/// </remarks>
public class EndpointOptions
{
    /// <summary>
    /// Length of the kernel's queue of connections that are established but not yet accepted: the second argument of
    /// <c>listen(2)</c>, which the kernel caps at <c>net.core.somaxconn</c>. At least 1. Default: 512.
    /// </summary>
    public int Backlog { get; set; } = 512;

    /// <summary>
    /// Whether the endpoint can be bound to while connections of a predecessor are in TIME_WAIT (<c>SO_REUSEADDR</c>,
    /// <c>socket(7)</c>). It does not share the port with another listener. IP only. Default: <see langword="true"/>.
    /// </summary>
    public bool ReuseAddress { get; set; } = true;

    /// <summary>
    /// Whether other sockets of the same user that ask for it too, of this process or of others, may listen on the same
    /// address and port (<c>SO_REUSEPORT</c>, <c>socket(7)</c>; <c>SO_REUSEPORT_LB</c> on FreeBSD). The kernel spreads
    /// connections over them, but not on macOS, where one of them gets all. IP only. Default: <see langword="false"/>.
    /// </summary>
    public bool ReusePort { get; set; }

    /// <summary>
    /// Size of the kernel's receive buffer in bytes (<c>SO_RCVBUF</c>, <c>socket(7)</c>). The kernel reserves twice as
    /// much, at most <c>net.core.rmem_max</c> twice, and stops tuning the size by itself. At least 1. Default:
    /// <see langword="null"/>, the kernel tunes it (<c>net.ipv4.tcp_rmem</c>).
    /// </summary>
    public int? ReceiveBufferSize { get; set; }

    /// <summary>
    /// Size of the kernel's send buffer in bytes (<c>SO_SNDBUF</c>, <c>socket(7)</c>). The kernel reserves twice as
    /// much, at most <c>net.core.wmem_max</c> twice, and stops tuning the size by itself. At least 1. Default:
    /// <see langword="null"/>, the kernel tunes it (<c>net.ipv4.tcp_wmem</c>).
    /// </summary>
    public int? SendBufferSize { get; set; }

    /// <summary>
    /// Name of the only network interface that connections may come in by (<c>SO_BINDTODEVICE</c>, <c>socket(7)</c>).
    /// From 1 to 15 bytes. IP only. Default: <see langword="null"/>, any.
    /// </summary>
    public string? BindToDevice { get; set; }

    /// <summary>
    /// Whether an IPv6 endpoint serves IPv4 too (<c>IPV6_V6ONLY</c> off, <c>ipv6(7)</c>); IPv4 peers then have
    /// addresses of the form <c>::ffff:a.b.c.d</c>. IPv6 only. Default: <see langword="null"/>, as with the stock
    /// transport: <c>[::]</c> does, any other address does not.
    /// </summary>
    public bool? DualMode { get; set; }

    /// <summary>
    /// How long closing a connection waits for data that the peer has not acknowledged (<c>SO_LINGER</c>,
    /// <c>socket(7)</c>); what is left then is discarded with a reset. Zero resets at once: a response that is still in
    /// the kernel's buffer is lost. Above zero each close keeps a thread of the .NET thread pool while it waits. Whole
    /// seconds from 0 to 65535. TCP only. Default: <see langword="null"/>, the kernel goes on sending in the background
    /// after the close.
    /// </summary>
    public TimeSpan? Linger { get; set; }

    /// <summary>
    /// How long a receive with nothing to receive polls the network device (<c>SO_BUSY_POLL</c>, <c>socket(7)</c>;
    /// <c>net.core.busy_poll</c> says whether <c>epoll_wait</c> does too). It trades CPU time for latency, and needs
    /// <c>CAP_NET_ADMIN</c> to be raised. Whole microseconds from 0 to 1 second. IP only. Default:
    /// <see langword="null"/>, <c>net.core.busy_read</c>.
    /// </summary>
    public TimeSpan? BusyPoll { get; set; }

    /// <summary>
    /// Priority of outgoing packets in the queues of this machine (<c>SO_PRIORITY</c>, <c>socket(7)</c>). From 0 to 6;
    /// with <c>CAP_NET_ADMIN</c> any value from 0. Not inherited by accepted sockets: one system call more for each
    /// connection. IP only. Default: <see langword="null"/>, which is 0.
    /// </summary>
    public int? Priority { get; set; }

    /// <summary>
    /// The type-of-service byte of outgoing packets: the traffic class of IPv6 (<c>IP_TOS</c>, <c>ip(7)</c>;
    /// <c>IPV6_TCLASS</c>, <c>ipv6(7)</c>; RFC 2474). Its two low bits belong to TCP (ECN, RFC 3168), so from 0 to 252
    /// in steps of 4: a DSCP times 4. IP only. Default: <see langword="null"/>, which is 0.
    /// </summary>
    public int? TypeOfService { get; set; }

    /// <summary>
    /// The processor whose incoming connections this listener prefers, where several share a port by
    /// <see cref="ReusePort"/> (<c>SO_INCOMING_CPU</c>, <c>socket(7)</c>; used for this since Linux 6.1). From 0 to
    /// 8191. IP only. Default: <see langword="null"/>, none.
    /// </summary>
    public int? IncomingCpu { get; set; }

    /// <summary>
    /// Most bytes that are received ahead of the application, counted as the stock transport counts: those that no read
    /// has examined yet, and give or take one block of 4 KiB. As long as the application reads, the connection receives
    /// when it does. If it does not for about 10 milliseconds, the loop receives in its place, up to this number;
    /// beyond, a peer that sends faster than the application reads is stopped by TCP. At least 1;
    /// <see langword="null"/> or 0 means unlimited. Default: 1 MiB.
    /// </summary>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// Number of unsent bytes of a connection at which <c>FlushAsync</c> begins to wait; it completes when half of
    /// them are left. At least 1; <see langword="null"/> or 0 means unlimited. Default: 64 KiB.
    /// </summary>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;

    /// <summary>
    /// Who accepts the connections. Default: <see cref="AcceptMode.SharedListener"/>. Measured with a connection per
    /// request and two loops on one processor it costs 43 microseconds of CPU time per request, a listener per loop 48
    /// (the stock transport 54); connections are spread over the loops equally well. A listener per loop pays where one
    /// loop cannot accept fast enough for all.
    /// </summary>
    public AcceptMode AcceptMode { get; set; } = AcceptMode.SharedListener;

    /// <summary>
    /// Which loop serves a connection. Default: <see cref="LoadBalancing.RoundRobin"/>.
    /// </summary>
    public LoadBalancing LoadBalancing { get; set; } = LoadBalancing.RoundRobin;

    /// <summary>
    /// A policy of one's own in place of <see cref="LoadBalancing"/>. Default: <see langword="null"/>.
    /// </summary>
    public LoadBalancer? CustomLoadBalancer { get; set; }

    /// <summary>
    /// Most connections that are open at a time. At least 1. Kestrel's own <c>Limits.MaxConcurrentConnections</c> is
    /// for all endpoints together and closes what is beyond. Default: <see langword="null"/>, no limit.
    /// </summary>
    public int? MaxConnections { get; set; }

    /// <summary>
    /// What happens to connections beyond <see cref="MaxConnections"/>. Default:
    /// <see cref="MaxConnectionsPolicy.Pause"/>.
    /// </summary>
    public MaxConnectionsPolicy MaxConnectionsPolicy { get; set; } = MaxConnectionsPolicy.Pause;

    /// <summary>
    /// Most connections that a loop accepts before its open connections get their turn, and most that it accepts ahead
    /// of the application; beyond that they wait in the kernel's queue (<see cref="Backlog"/>). From 1 to 1024.
    /// Default: 64.
    /// </summary>
    public int AcceptBatchSize { get; set; } = 64;

    /// <summary>
    /// How long a stopping endpoint that others may serve too stays open for connections that are just being
    /// established, and for the first requests of those that have been; new ones go to the others. That concerns
    /// <see cref="ReusePort"/>, a socket that came from outside and one whose descriptor was duplicated. Longer than
    /// the round trip of most clients, shorter than the second after which they repeat a lost handshake. From 0, which
    /// closes at once, to 1 minute. Default: 300 milliseconds.
    /// </summary>
    public TimeSpan HandOverPeriod { get; set; } = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// Whether a connection that is aborted because of an error ends with a FIN, as if all had been sent, and not with
    /// a RST. TCP only: Unix sockets know no RST. Default: what the <see cref="AppContext"/> switch
    /// <c>Microsoft.AspNetCore.Server.Kestrel.FinOnError</c> says, by which the stock transport goes;
    /// <see langword="false"/> if it is not set.
    /// </summary>
    public bool FinOnError { get; set; }
        = AppContext.TryGetSwitch("Microsoft.AspNetCore.Server.Kestrel.FinOnError", out var fin) && fin;

    /// <summary>Options of TCP (<c>tcp(7)</c>). Not applied to Unix sockets.</summary>
    public TcpOptions Tcp { get; private set; } = new();

    /// <summary>Options of Unix sockets that are bound to a path (<c>unix(7)</c>).</summary>
    public UnixSocketOptions Unix { get; private set; } = new();

    /// <summary>
    /// Called with the listening socket between its creation and <c>bind(2)</c>, after the options above are set; for a
    /// socket that came from outside, before <c>listen(2)</c>. The equivalent of Go's <c>net.ListenConfig.Control</c>.
    /// An exception fails the bind, with an <see cref="IOException"/> around it. Default: <see langword="null"/>.
    /// </summary>
    public Action<ListenSocketContext>? ConfigureListenSocket { get; set; }

    /// <summary>
    /// Called with each accepted socket, after the options above are set and before the first byte is read. It may
    /// refuse the connection. An exception closes this one connection and is logged at Debug level. It runs where
    /// connections are accepted, so it must not block. Nor may it be an <see langword="async"/> lambda: an exception
    /// after its first <see langword="await"/> would end the process. Default: <see langword="null"/>.
    /// </summary>
    public Action<AcceptedSocketContext>? ConfigureAcceptedSocket { get; set; }

    /// <summary>A copy that shares no options object with this one.</summary>
    internal EndpointOptions Copy()
    {
        var copy = (EndpointOptions)MemberwiseClone();
        copy.Tcp = Tcp.Copy();
        copy.Unix = Unix.Copy();
        return copy;
    }
}
