using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>
/// Options of connections that an <see cref="EventLoopConnectionFactory"/> opens. Where <see langword="null"/> is
/// allowed, it keeps the kernel's default unless the option says otherwise.
/// </summary>
/// <remarks>
/// <para>
/// The configuration section <c>Kestrel:EventLoopClient</c> is applied first, then code. A client that is registered
/// under a name has the section <c>Kestrel:EventLoopClients:{name}</c>. The options are read when the factory is
/// resolved. A value out of range throws an <see cref="Microsoft.Extensions.Options.OptionsValidationException"/>.
/// </para>
/// <para>
/// The loops, their number and their scheduling are those of <see cref="EventLoopTransportOptions"/>.
/// </para>
/// <para>
/// If the operating system does not have an option, or does not permit it, connecting fails with a
/// <see cref="System.Net.Sockets.SocketException"/> that names the option.
/// </para>
/// </remarks>
public sealed class EventLoopClientOptions
{
    /// <summary>
    /// How long one call of <c>ConnectAsync</c> may take, with the resolution of the name and all addresses. After that
    /// it fails with a <see cref="System.Net.Sockets.SocketException"/> with
    /// <see cref="System.Net.Sockets.SocketError.TimedOut"/>. From 1 millisecond to 1 day, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>, with which the kernel alone gives up (after about two minutes,
    /// <c>net.ipv4.tcp_syn_retries</c>). Default: 30 seconds.
    /// </summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long an attempt may go on before the next address of a name is tried beside it (the "connection attempt
    /// delay" of RFC 8305; Go: <c>net.Dialer.FallbackDelay</c>). The first one that connects wins. A failed attempt
    /// starts the next at once. A negative value such as <see cref="Timeout.InfiniteTimeSpan"/> tries one address at a
    /// time, and <see cref="ConnectTimeout"/> is shared out over them. From 10 milliseconds to 1 minute, or negative.
    /// Default: 250 milliseconds.
    /// </summary>
    public TimeSpan FallbackDelay { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// The local address and port of the socket. With port 0 the kernel chooses the port when it knows the peer
    /// (<c>IP_BIND_ADDRESS_NO_PORT</c>, <c>ip(7)</c>, Linux only), so that many connections to different peers share
    /// one port. With it, a name is resolved to addresses of the same family only. Not applied to Unix sockets.
    /// Default: <see langword="null"/>: the kernel chooses both.
    /// </summary>
    public IPEndPoint? LocalEndPoint { get; set; }

    /// <summary>
    /// Whether a connection is served by the loop that <c>ConnectAsync</c> is called on, if it is called on one: a
    /// handler and the connections that it opens then share a thread. Other connections take the loops in turn.
    /// Default: <see langword="true"/>.
    /// </summary>
    public bool PrefersCallingLoop { get; set; } = true;

    /// <inheritdoc cref="EndpointOptions.ReceiveBufferSize"/>
    public int? ReceiveBufferSize { get; set; }

    /// <inheritdoc cref="EndpointOptions.SendBufferSize"/>
    public int? SendBufferSize { get; set; }

    /// <summary>
    /// Name of the network interface that the socket is restricted to (<c>SO_BINDTODEVICE</c>, <c>socket(7)</c>). From
    /// 1 to 15 bytes. IP only. Default: <see langword="null"/>: what the routes say.
    /// </summary>
    public string? BindToDevice { get; set; }

    /// <inheritdoc cref="EndpointOptions.Linger"/>
    public TimeSpan? Linger { get; set; }

    /// <inheritdoc cref="EndpointOptions.BusyPoll"/>
    public TimeSpan? BusyPoll { get; set; }

    /// <summary>
    /// Priority of outgoing packets in this machine's queues (<c>SO_PRIORITY</c>, <c>socket(7)</c>). From 0 to 6; any
    /// value from 0 with <c>CAP_NET_ADMIN</c>. IP only. Default: <see langword="null"/>: 0.
    /// </summary>
    public int? Priority { get; set; }

    /// <inheritdoc cref="EndpointOptions.TypeOfService"/>
    public int? TypeOfService { get; set; }

    /// <inheritdoc cref="EndpointOptions.MaxReadBufferSize"/>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <inheritdoc cref="EndpointOptions.MaxWriteBufferSize"/>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;

    /// <inheritdoc cref="EndpointOptions.FinOnError"/>
    public bool FinOnError { get; set; } = new EndpointOptions().FinOnError;

    /// <inheritdoc cref="EndpointOptions.AllowHalfClose"/>
    public bool AllowHalfClose { get; set; }

    /// <summary>
    /// Options of TCP sockets (<c>tcp(7)</c>), set before the socket connects. Not applied to Unix sockets.
    /// <see cref="TcpSocketOptions.FastOpenQueue"/> and <see cref="TcpSocketOptions.DeferAccept"/> are for listening
    /// sockets: they must stay <see langword="null"/>.
    /// </summary>
    public TcpSocketOptions Tcp { get; private set; } = new();

    /// <summary>
    /// Called with each new socket after the options above are set, and before <c>bind(2)</c> and <c>connect(2)</c>:
    /// once per address that is tried. Equivalent to Go's <c>net.Dialer.Control</c>. If it throws an exception, that
    /// attempt fails. Not called for a socket that already existed. Default: <see langword="null"/>.
    /// </summary>
    /// <remarks>
    /// It runs on the thread that calls <c>ConnectAsync</c>, or on the thread pool, so it must not block.
    /// </remarks>
    public Action<ClientSocketContext>? ConfigureClientSocket { get; set; }

    /// <summary>The socket options, in the form in which listeners have them. Shares no object with this.</summary>
    internal EndpointOptions ToSocketOptions()
    {
        var options = new EndpointOptions
        {
            ReceiveBufferSize = ReceiveBufferSize,
            SendBufferSize = SendBufferSize,
            BindToDevice = BindToDevice,
            Linger = Linger,
            BusyPoll = BusyPoll,
            Priority = Priority,
            TypeOfService = TypeOfService,
            MaxReadBufferSize = MaxReadBufferSize,
            MaxWriteBufferSize = MaxWriteBufferSize,
            FinOnError = FinOnError,
            AllowHalfClose = AllowHalfClose,
        };
        return options.WithTcp(Tcp);
    }

    /// <summary>The options of one call: these, but for what the call says.</summary>
    internal EventLoopClientOptions With(EventLoopConnectOptions call)
    {
        var options = (EventLoopClientOptions)MemberwiseClone();
        options.ConnectTimeout = call.ConnectTimeout ?? ConnectTimeout;
        options.FallbackDelay = call.FallbackDelay ?? FallbackDelay;
        options.LocalEndPoint = call.LocalEndPoint ?? LocalEndPoint;
        options.ConfigureClientSocket += call.ConfigureClientSocket;
        return options;
    }

    internal EventLoopClientOptions Copy()
    {
        var copy = (EventLoopClientOptions)MemberwiseClone();
        copy.Tcp = Tcp.Copy();
        return copy;
    }
}
