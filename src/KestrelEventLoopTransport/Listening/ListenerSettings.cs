using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Native;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What one listener goes by: the options as they are for its endpoint, and what follows from them.</summary>
internal sealed class ListenerSettings
{
    private static readonly SocketOption _noLinger = new("SO_LINGER off", Platform.SOL_SOCKET, Platform.SO_LINGER, new byte[2 * sizeof(int)]);

    internal ListenerSettings(EndpointOptions options, ConnectionSettings connections, ILogger logger)
    {
        Options = options;
        Connections = connections;
        Logger = logger;
        AcceptedIPOptions = SocketOptionList.ForAcceptedIP(options);
        AcceptedUnixOptions = SocketOptionList.ForAcceptedUnix(options);
    }

    /// <summary>A copy of the listener's own; nobody changes it any more.</summary>
    internal EndpointOptions Options { get; }

    internal ConnectionSettings Connections { get; }

    internal ILogger Logger { get; }

    /// <summary>What accepted IP sockets do not inherit from the listening socket. Usually empty.</summary>
    internal SocketOption[] AcceptedIPOptions { get; }

    /// <summary>The same for Unix sockets.</summary>
    internal SocketOption[] AcceptedUnixOptions { get; }

    /// <summary>The same for one more socket on an address that a first one has taken.</summary>
    internal ListenerSettings WithReusePort()
    {
        var options = Options.Copy();
        options.ReusePort = true;
        return new ListenerSettings(options, Connections, Logger);
    }

    /// <summary>
    /// Prepares a socket that has just been accepted, before anything is read from it. False when the user's hook
    /// refused it or something failed: the connection is to be closed. Without options and hook it does nothing.
    /// </summary>
    internal bool TryConfigureAccepted(int fd, EndPoint endPoint, ReadOnlySpan<byte> remoteAddress)
    {
        try
        {
            foreach (var option in SocketAddressBytes.IsUnix(remoteAddress) ? AcceptedUnixOptions : AcceptedIPOptions)
            {
                option.Set(fd);
            }

            return Options.ConfigureAcceptedSocket is null
                || RunHook(Options.ConfigureAcceptedSocket, new AcceptedSocketContext(fd, endPoint, remoteAddress));
        }
        catch (Exception exception)
        {
            ListenerLog.ConfigureAcceptedSocketFailed(Logger, endPoint, exception);
            return false;
        }
    }

    /// <summary>Closes an accepted socket that becomes no connection. Never waits, whatever SO_LINGER says.</summary>
    internal void CloseUnused(int fd)
    {
        if (Connections.CloseMayWait)
        {
            _ = _noLinger.TrySet(fd);
        }

        _ = Libc.close(fd);
    }

    private static bool RunHook(Action<AcceptedSocketContext> hook, AcceptedSocketContext context)
    {
        // What a hook leaves there (async locals, culture) must not reach the next one, nor the loop's callbacks.
        var executionContext = ExecutionContext.Capture();
        try
        {
            hook(context);
            return !context.IsRefused;
        }
        finally
        {
            context.End();
            if (executionContext is not null)
            {
                ExecutionContext.Restore(executionContext);
            }
        }
    }
}
