using KestrelEventLoopTransport.Connections.Lingering;
using KestrelEventLoopTransport.Connections.Timing;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Connections;

/// <summary>What all connections of a listener share.</summary>
internal sealed class ConnectionSettings
{
    /// <summary>Number of unsent bytes at which a flush waits; <see cref="long.MaxValue"/> for never.</summary>
    internal required long MaxWriteBufferSize { get; init; }

    /// <summary>
    /// Number of unexamined bytes at which the loop receives nothing more ahead of the reader;
    /// <see cref="long.MaxValue"/> for never.
    /// </summary>
    internal required long MaxReadBufferSize { get; init; }

    /// <summary>The maximum number of blocks that one receive fills.</summary>
    internal required int MaxReceiveBlocks { get; init; }

    /// <summary>Whether an abort sends a FIN instead of a RST.</summary>
    internal required bool FinOnError { get; init; }

    /// <summary>Whether a connection stays open when its peer has finished sending.</summary>
    internal required bool AllowHalfClose { get; init; }

    /// <summary>
    /// Whether SO_LINGER may be set with a time, so that closing a descriptor waits (<c>socket(7)</c>). The listener's
    /// options can set it, and so can a hook or the process that a listening socket comes from.
    /// </summary>
    internal required bool CloseMayWait { get; init; }

    /// <summary>How long a connection may take for what.</summary>
    internal required ConnectionLimits Limits { get; init; }

    internal required ILogger Logger { get; init; }

    /// <summary>The listener's lingering sockets.</summary>
    internal LingeringSockets Lingering { get; } = new();
}
