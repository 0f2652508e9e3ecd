namespace KestrelEventLoopTransport;

/// <summary>
/// Options of a listening endpoint and of the connections that it accepts. Where <see langword="null"/> is allowed, it
/// keeps the kernel's default unless the option says otherwise.
/// </summary>
/// <remarks>
/// <para>
/// The options are set once, on the listening socket, and the kernel copies them to each accepted socket. Options that
/// the kernel does not copy say so; they cost one more system call per connection. On Unix sockets that applies to
/// <see cref="ReceiveBufferSize"/> and <see cref="SendBufferSize"/> too.
/// </para>
/// <para>
/// An option marked "IP only" or "TCP only" is not applied to Unix sockets. If the application passes in a socket that
/// already exists (<c>FileHandleEndPoint</c>), options that belong to binding are not applied:
/// <see cref="ReuseAddress"/>, <see cref="ReusePort"/>, <see cref="BindToDevice"/>, <see cref="DualMode"/> and
/// <see cref="Unix"/>.
/// </para>
/// <para>
/// If the operating system does not have an option, or does not permit it, the bind fails with a
/// <see cref="System.Net.Sockets.SocketException"/> that names the option.
/// </para>
/// </remarks>
public sealed partial class EndpointOptions
{
    /// <summary>
    /// Length of the kernel's accept queue, which holds connections that are established but not yet accepted: the
    /// second argument of <c>listen(2)</c>. The kernel caps it at <c>net.core.somaxconn</c>. At least 1. Default: 512.
    /// </summary>
    public int Backlog { get; set; } = 512;

    /// <summary>
    /// Whether the endpoint can be bound while connections of a previous process are in TIME_WAIT
    /// (<c>SO_REUSEADDR</c>, <c>socket(7)</c>). It does not let two listeners share the port. IP only. Default:
    /// <see langword="true"/>.
    /// </summary>
    public bool ReuseAddress { get; set; } = true;

    /// <summary>
    /// Whether other sockets that set this option too may listen on the same address and port (<c>SO_REUSEPORT</c>,
    /// <c>socket(7)</c>; <c>SO_REUSEPORT_LB</c> on FreeBSD). They may belong to this process or to another process of
    /// the same user. The kernel spreads connections over the sockets, except on macOS, where one of them gets all
    /// connections. IP only. Default: <see langword="false"/>.
    /// </summary>
    public bool ReusePort { get; set; }

    /// <summary>
    /// Size of the kernel's receive buffer in bytes (<c>SO_RCVBUF</c>, <c>socket(7)</c>). The kernel reserves twice
    /// this size, caps the size at <c>net.core.rmem_max</c>, and no longer tunes it. At least 1. Default:
    /// <see langword="null"/>: the kernel tunes the size (<c>net.ipv4.tcp_rmem</c>).
    /// </summary>
    public int? ReceiveBufferSize { get; set; }

    /// <summary>
    /// Size of the kernel's send buffer in bytes (<c>SO_SNDBUF</c>, <c>socket(7)</c>). The kernel reserves twice this
    /// size, caps the size at <c>net.core.wmem_max</c>, and no longer tunes it. At least 1. Default:
    /// <see langword="null"/>: the kernel tunes the size (<c>net.ipv4.tcp_wmem</c>).
    /// </summary>
    public int? SendBufferSize { get; set; }

    /// <summary>
    /// Name of the network interface that the endpoint is restricted to (<c>SO_BINDTODEVICE</c>, <c>socket(7)</c>).
    /// From 1 to 15 bytes. IP only. Default: <see langword="null"/>: every interface.
    /// </summary>
    public string? BindToDevice { get; set; }

    /// <summary>
    /// Whether an IPv6 endpoint also accepts IPv4 connections (<c>IPV6_V6ONLY</c> off, <c>ipv6(7)</c>). The addresses
    /// of IPv4 clients then have the form <c>::ffff:a.b.c.d</c>. IPv6 only. Default: <see langword="null"/>:
    /// <c>[::]</c> does, every other address does not, as with Kestrel's socket transport.
    /// </summary>
    public bool? DualMode { get; set; }

    /// <summary>
    /// How long closing a connection waits until the peer has acknowledged all data (<c>SO_LINGER</c>,
    /// <c>socket(7)</c>). After that the connection is reset and the rest of the data is discarded. Zero resets the
    /// connection immediately: a response that is still in the kernel's buffer is lost. Above zero, each close occupies
    /// a thread of the .NET thread pool while it waits. Whole seconds from 0 to 65535. TCP only. Default:
    /// <see langword="null"/>: the close returns immediately, and the kernel sends the data in the background.
    /// </summary>
    public TimeSpan? Linger { get; set; }

    /// <summary>
    /// How long a receive polls the network device when there is no data (<c>SO_BUSY_POLL</c>, <c>socket(7)</c>).
    /// Whether <c>epoll_wait</c> polls too is set by <c>net.core.busy_poll</c>. It costs CPU time and lowers latency.
    /// Raising the value needs <c>CAP_NET_ADMIN</c>. Whole microseconds from 0 to 1 second. IP only. Default:
    /// <see langword="null"/>: <c>net.core.busy_read</c>.
    /// </summary>
    public TimeSpan? BusyPoll { get; set; }

    /// <summary>
    /// Priority of outgoing packets in this machine's queues (<c>SO_PRIORITY</c>, <c>socket(7)</c>). From 0 to 6; any
    /// value from 0 with <c>CAP_NET_ADMIN</c>. The kernel does not copy it to accepted sockets. IP only. Default:
    /// <see langword="null"/>: 0.
    /// </summary>
    public int? Priority { get; set; }

    /// <summary>
    /// Type-of-service byte of outgoing packets, the traffic class of IPv6 (<c>IP_TOS</c>, <c>ip(7)</c>;
    /// <c>IPV6_TCLASS</c>, <c>ipv6(7)</c>; RFC 2474). It is a DSCP times 4, because TCP uses the two low bits (ECN, RFC
    /// 3168). From 0 to 252 in steps of 4. IP only. Default: <see langword="null"/>: 0.
    /// </summary>
    public int? TypeOfService { get; set; }

    /// <summary>
    /// The processor whose incoming connections this listener prefers if several listeners share the port
    /// (<c>SO_INCOMING_CPU</c>, <c>socket(7)</c>; effective since Linux 6.1). See <see cref="ReusePort"/>. From 0 to
    /// 8191. IP only. Default: <see langword="null"/>: no preference.
    /// </summary>
    public int? IncomingCpu { get; set; }

    /// <summary>
    /// The maximum number of received bytes of a connection that the application has not examined yet, give or take one
    /// block of 4 KiB. Kestrel's socket transport counts in the same way. At least 1; <see langword="null"/> or 0 means
    /// unlimited. Default: 1 MiB.
    /// </summary>
    /// <remarks>
    /// While the application reads, each read receives. If the application does not read for about 10 milliseconds, the
    /// loop receives in its place, up to this number of bytes. Beyond it, TCP flow control stops the peer.
    /// </remarks>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// The number of unsent bytes of a connection at which <c>FlushAsync</c> starts to wait. It completes when half of
    /// them are left. At least 1; <see langword="null"/> or 0 means unlimited. Default: 64 KiB.
    /// </summary>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;

    /// <summary>
    /// How many listening sockets the endpoint has, and which loops accept its connections. Default:
    /// <see cref="AcceptMode.SharedListener"/>.
    /// </summary>
    /// <remarks>
    /// Both modes spread connections over the loops equally well. With a connection per request and two loops on one
    /// processor, a shared listener took 43 microseconds of CPU time per request and a listener per loop 48 (Kestrel's
    /// socket transport: 54). A listener per loop pays if one loop cannot accept fast enough for all.
    /// </remarks>
    public AcceptMode AcceptMode { get; set; } = AcceptMode.SharedListener;

    /// <summary>
    /// Which loop serves a connection. Ignored if <see cref="CustomLoadBalancer"/> is set. Default:
    /// <see cref="LoadBalancingPolicy.RoundRobin"/>.
    /// </summary>
    public LoadBalancingPolicy LoadBalancingPolicy { get; set; } = LoadBalancingPolicy.RoundRobin;

    /// <summary>
    /// A load balancing policy of your own, which replaces <see cref="LoadBalancingPolicy"/>. Default:
    /// <see langword="null"/>.
    /// </summary>
    public LoadBalancer? CustomLoadBalancer { get; set; }

    /// <summary>
    /// The maximum number of open connections of this endpoint. <see cref="MaxConnectionsPolicy"/> says what happens to
    /// the rest. Kestrel's own <c>Limits.MaxConcurrentConnections</c> applies to all endpoints together, and closes
    /// connections beyond the limit. At least 1. Default: <see langword="null"/>: unlimited.
    /// </summary>
    public int? MaxConnections { get; set; }

    /// <summary>
    /// What happens to connections beyond <see cref="MaxConnections"/>. Default:
    /// <see cref="MaxConnectionsPolicy.Pause"/>.
    /// </summary>
    public MaxConnectionsPolicy MaxConnectionsPolicy { get; set; } = MaxConnectionsPolicy.Pause;

    /// <summary>
    /// Of how many connections one is sampled: when it closes, the kernel is asked for its round-trip time, its
    /// retransmissions and its delivery rate, for histograms of the meter. One more system call for each of those, and
    /// only while the meter has a listener. TCP on Linux only. At least 1: all connections. Default:
    /// <see langword="null"/>: none.
    /// </summary>
    public int? TcpInfoSampling { get; set; }

    /// <summary>
    /// How often one of <see cref="TcpInfoSampling"/> open connections is sampled too, for connections that live long.
    /// The histograms then hold several values of one connection. The thread pool looks at all open connections for
    /// it, while the endpoint listens and the meter has a listener. Whole milliseconds, at least 100. Default:
    /// <see langword="null"/>: connections are sampled only when they close. Without <see cref="TcpInfoSampling"/> it
    /// has no effect.
    /// </summary>
    public TimeSpan? TcpInfoSamplingInterval { get; set; }

    /// <summary>
    /// The maximum number of connections that a loop accepts before it serves its open connections again. Also the
    /// maximum number of accepted connections that wait for the application; the rest stays in the kernel's accept
    /// queue (<see cref="Backlog"/>). Connections that wait for their PROXY header (<see cref="ProxyProtocol"/>) come
    /// on top. From 1 to 1024. Default: 64.
    /// </summary>
    public int AcceptBatchSize { get; set; } = 64;

    /// <summary>
    /// How long a stopping endpoint stays open if another process may take over its port. During this period, new
    /// connections go to the other process, handshakes that have begun can complete, and connections that have just
    /// been established can send their first request. From 0, which closes the endpoint immediately, to 1 minute.
    /// Default: 300 milliseconds.
    /// </summary>
    /// <remarks>
    /// Applies if <see cref="ReusePort"/> is set, if the application passed in a socket that already existed, or if
    /// <see cref="EventLoopEndpoint.DuplicateSockets"/> was called. Choose a period that is longer than the round trip
    /// of most clients, and shorter than 1 second, after which a client repeats a handshake without an answer.
    /// </remarks>
    public TimeSpan TakeoverPeriod { get; set; } = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// Whether a connection that is aborted because of an error ends with a FIN, as if all data had been sent, instead
    /// of a RST. TCP only: Unix sockets have no RST. Default: the <see cref="AppContext"/> switch
    /// <c>Microsoft.AspNetCore.Server.Kestrel.FinOnError</c>, which Kestrel's socket transport uses too;
    /// <see langword="false"/> if it is not set.
    /// </summary>
    public bool FinOnError { get; set; }
        = AppContext.TryGetSwitch("Microsoft.AspNetCore.Server.Kestrel.FinOnError", out var fin) && fin;

    /// <summary>
    /// Whether a connection stays open when its peer has finished sending (a FIN). The FIN then ends the input and
    /// nothing else: <c>ConnectionClosed</c> does not fire, and answers still go out until the application completes
    /// the connection. <see cref="IConnectionHalfCloseFeature.PeerFinished"/> tells of the FIN. Default:
    /// <see langword="false"/>: the FIN makes <c>ConnectionClosed</c> fire, as with Kestrel's socket transport.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Set <see cref="IdleTimeout"/> too: it also ends a connection of which one direction has ended, and without it
    /// nothing ends one whose application waits for ever.
    /// </para>
    /// <para>
    /// Meant for protocols of your own on raw connections. A peer that has closed its socket looks at first like one
    /// that has only finished sending; it is noticed when something is sent to it. So with HTTP,
    /// <c>RequestAborted</c> no longer fires when a client goes away during a request, unless the client resets the
    /// connection or a response is sent to it.
    /// </para>
    /// </remarks>
    public bool AllowHalfClose { get; set; }

    /// <summary>Options of TCP sockets (<c>tcp(7)</c>). Not applied to Unix sockets.</summary>
    public TcpSocketOptions Tcp { get; private set; } = new();

    /// <summary>Options of Unix sockets that are bound to a path (<c>unix(7)</c>).</summary>
    public UnixSocketOptions Unix { get; private set; } = new();

    /// <summary>
    /// How the endpoint receives the PROXY protocol from proxies in front of it. Connections then have the endpoints of
    /// the proxy's client, and the feature <see cref="IProxyProtocolFeature"/>. Proxies then have to send a header, and
    /// peers that are not named as proxies are refused, unless <see cref="ProxyProtocolOptions.UntrustedPeers"/> says
    /// otherwise. Default: <see langword="null"/>: no connection begins with a header.
    /// </summary>
    public ProxyProtocolOptions? ProxyProtocol { get; set; }

    /// <summary>
    /// Called with the listening socket after the options above are set and before <c>bind(2)</c>; for a socket that
    /// already existed, before <c>listen(2)</c>. Equivalent to Go's <c>net.ListenConfig.Control</c>. If it throws an
    /// exception, the bind fails with an <see cref="IOException"/> that contains the exception. Default:
    /// <see langword="null"/>.
    /// </summary>
    public Action<ListenSocketContext>? ConfigureListenSocket { get; set; }

    /// <summary>
    /// Called with each accepted socket after the options above are set and before its first byte is read. It may
    /// refuse the connection (<see cref="AcceptedSocketContext.Refuse"/>). If it throws an exception, only this
    /// connection is closed, and the exception is logged at level Debug. Default: <see langword="null"/>.
    /// </summary>
    /// <remarks>
    /// It runs on the thread that accepts connections, so it must not block. It must not be an <see langword="async"/>
    /// lambda: an exception after the first <see langword="await"/> would end the process. With
    /// <see cref="ProxyProtocol"/> it runs before the header is received: it sees the proxy, not the client.
    /// </remarks>
    public Action<AcceptedSocketContext>? ConfigureAcceptedSocket { get; set; }

    /// <summary>Takes over a copy of a client's TCP options.</summary>
    internal EndpointOptions WithTcp(TcpSocketOptions tcp)
    {
        Tcp = tcp.Copy();
        return this;
    }

    /// <summary>Returns a copy that shares no object of options with this one.</summary>
    internal EndpointOptions Copy()
    {
        var copy = (EndpointOptions)MemberwiseClone();
        copy.Tcp = Tcp.Copy();
        copy.Unix = Unix.Copy();
        copy.ProxyProtocol = ProxyProtocol?.Copy();
        return copy;
    }
}
