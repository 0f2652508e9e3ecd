using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Lingering;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Options;
using KestrelEventLoopTransport.ProxyProtocol;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What the acceptors of a listener share: the options of its endpoint, and what follows from them.</summary>
internal sealed class ListenerContext
{
    private static readonly SocketOption _noLinger
        = new("SO_LINGER off", Platform.SOL_SOCKET, Platform.SO_LINGER, new byte[2 * sizeof(int)]);

    internal ListenerContext(EndpointOptions options, ConnectionSettings connections, ILogger logger)
    {
        Options = options;
        Connections = connections;
        Logger = logger;
        AcceptedIPOptions = SocketOptionList.ForAcceptedIP(options);
        AcceptedUnixOptions = SocketOptionList.ForAcceptedUnix(options);
        ProxyHeaders = options.ProxyProtocol is { } proxies ? new ProxyHeaderRules(proxies) : null;
    }

    /// <summary>The listener's own copy. It does not change.</summary>
    internal EndpointOptions Options { get; }

    internal ConnectionSettings Connections { get; }

    internal ILogger Logger { get; }

    /// <summary>
    /// Options that accepted IP sockets do not inherit from the listening socket. Usually there are none.
    /// </summary>
    internal SocketOption[] AcceptedIPOptions { get; }

    /// <summary>The same for Unix sockets.</summary>
    internal SocketOption[] AcceptedUnixOptions { get; }

    /// <summary>What is expected of PROXY headers; null when connections have none.</summary>
    internal ProxyHeaderRules? ProxyHeaders { get; }

    /// <summary>Gets what the kernel knows of sampled connections; null when nobody wants it.</summary>
    internal TcpInfoMetrics? TcpInfo { get; init; }

    /// <summary>Closes an accepted descriptor. Does not wait, whatever SO_LINGER says.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="withReset">Whether the peer gets a RST; else a FIN, or a RST if input is unread.</param>
    internal void CloseUnused(int fd, bool withReset)
    {
        if (withReset)
        {
            LingerOption.MakeCloseReset(fd);
        }
        else if (Connections.CloseMayWait)
        {
            _ = _noLinger.TrySet(fd);
        }

        _ = Libc.close(fd);
    }

    /// <summary>The context for a further socket on an address that a first socket is bound to.</summary>
    internal ListenerContext WithReusePort()
    {
        var options = Options.Copy();
        options.ReusePort = true;
        return new ListenerContext(options, Connections, Logger);
    }
}
