using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Native;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What the acceptors of a listener share: the options of its endpoint, and what follows from them.</summary>
internal sealed class ListenerContext
{
    internal ListenerContext(EndpointOptions options, ConnectionSettings connections, ILogger logger)
    {
        Options = options;
        Connections = connections;
        Logger = logger;
        AcceptedIPOptions = SocketOptionList.ForAcceptedIP(options);
        AcceptedUnixOptions = SocketOptionList.ForAcceptedUnix(options);
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

    /// <summary>The context for a further socket on an address that a first socket is bound to.</summary>
    internal ListenerContext WithReusePort()
    {
        var options = Options.Copy();
        options.ReusePort = true;
        return new ListenerContext(options, Connections, Logger);
    }
}
