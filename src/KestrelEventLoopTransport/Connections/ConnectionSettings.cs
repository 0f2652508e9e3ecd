using KestrelEventLoopTransport.Connections.Lingering;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Connections;

/// <summary>What all connections of a listener share.</summary>
internal sealed class ConnectionSettings
{
    /// <summary>Unsent bytes at which a flush waits; <see cref="long.MaxValue"/> for never.</summary>
    internal required long MaxWriteBufferSize { get; init; }

    /// <summary>
    /// Unexamined bytes at which nothing more is received ahead; <see cref="long.MaxValue"/> for never.
    /// </summary>
    internal required long MaxReadBufferSize { get; init; }

    /// <summary>Most blocks that one receive may fill.</summary>
    internal required int MaxReceiveBlocks { get; init; }

    /// <summary>Whether an abort sends a FIN rather than a RST.</summary>
    internal required bool FinOnError { get; init; }

    /// <summary>
    /// Whether somebody may have set SO_LINGER with a time, which makes closing a descriptor wait (<c>socket(7)</c>):
    /// the option, a hook, whoever made a socket that came from outside.
    /// </summary>
    internal required bool CloseMayWait { get; init; }

    internal required ILogger Logger { get; init; }

    /// <summary>The listener's sockets that linger.</summary>
    internal LingeringSockets Lingering { get; } = new();
}
