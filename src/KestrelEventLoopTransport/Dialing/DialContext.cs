using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Options;
using LingerOption = KestrelEventLoopTransport.Connections.Lingering.LingerOption;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>What all dials of a client share: its options, and what follows from them.</summary>
internal sealed class DialContext
{
    /// <param name="options">The client's own copy. It does not change.</param>
    /// <param name="connections">The settings of its connections.</param>
    /// <param name="resolver">Resolves names.</param>
    /// <param name="metrics">Counts the dials.</param>
    /// <param name="onDescriptorClosed">Is told of each descriptor that is closed.</param>
    internal DialContext(
        EventLoopClientOptions options,
        ConnectionSettings connections,
        NameResolver resolver,
        DialMetrics metrics,
        Action onDescriptorClosed)
    {
        Options = options;
        Connections = connections;
        Resolver = resolver;
        Metrics = metrics;
        OnDescriptorClosed = onDescriptorClosed;
        Times = DialTimes.From(options);
        var sockets = options.ToSocketOptions();
        UnixOptions = SocketOptionList.ForAcceptedUnix(sockets);
        IPv4Options = SocketOptionList.ForConnecting(sockets, isV6: false);
        IPv6Options = SocketOptionList.ForConnecting(sockets, isV6: true);
    }

    /// <summary>What one call shares with the others of its client, and what it does differently.</summary>
    private DialContext(DialContext client, EventLoopConnectOptions call)
    {
        Options = client.Options.With(call);
        Connections = call.ConfigureClientSocket is null
            ? client.Connections
            : client.Connections with { CloseMayWait = true };
        Resolver = client.Resolver;
        OnDescriptorClosed = client.OnDescriptorClosed;
        Metrics = client.Metrics;
        Times = DialTimes.From(Options);
        UnixOptions = client.UnixOptions;
        IPv4Options = client.IPv4Options;
        IPv6Options = client.IPv6Options;
    }

    internal EventLoopClientOptions Options { get; }

    internal ConnectionSettings Connections { get; }

    internal NameResolver Resolver { get; }

    internal DialMetrics Metrics { get; }

    /// <summary>A descriptor is closed: others may wait for one.</summary>
    internal Action OnDescriptorClosed { get; }

    internal DialTimes Times { get; }

    private SocketOption[] UnixOptions { get; }

    private SocketOption[] IPv4Options { get; }

    private SocketOption[] IPv6Options { get; }

    /// <summary>The same with what one call does differently.</summary>
    internal DialContext With(EventLoopConnectOptions call) => new(this, call);

    /// <summary>The options of a socket that is about to connect.</summary>
    internal ReadOnlySpan<SocketOption> OptionsFor(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => IPv4Options,
        AddressFamily.InterNetworkV6 => IPv6Options,
        _ => UnixOptions,
    };

    /// <summary>Closes a descriptor that has become no connection. Does not wait, whatever SO_LINGER says.</summary>
    internal void Close(int fd)
    {
        if (Connections.CloseMayWait)
        {
            LingerOption.MakeCloseReset(fd);
        }

        _ = Libc.close(fd);
        OnDescriptorClosed();
    }
}
