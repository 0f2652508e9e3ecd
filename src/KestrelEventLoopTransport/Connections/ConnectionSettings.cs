using KestrelEventLoopTransport.Connections.Lingering;
using KestrelEventLoopTransport.Connections.Timing;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Connections;

/// <summary>What all connections of a listener share.</summary>
internal sealed record ConnectionSettings
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

    /// <summary>
    /// Whether peers have opened the connections. Then the first read waits until it is awaited (<see
    /// cref="Input.DeferredFirstRead"/>), because who gets an accepted connection starts on the thread pool. And what
    /// is flushed in a callback of another connection waits for its end; a request of a client's does not.
    /// </summary>
    internal required bool AreAccepted { get; init; }

    internal required ILogger Logger { get; init; }

    /// <param name="options">The options of the connections.</param>
    /// <param name="timeouts">Counts connections that a limit ends.</param>
    /// <param name="closeMayWait">See <see cref="CloseMayWait"/>.</param>
    /// <param name="logger">A logger that does not throw.</param>
    /// <param name="areAccepted">See <see cref="AreAccepted"/>.</param>
    internal static ConnectionSettings From(
        EndpointOptions options,
        TimeoutMetrics timeouts,
        bool closeMayWait,
        ILogger logger,
        bool areAccepted = true) => new()
        {
            MaxWriteBufferSize = options.MaxWriteBufferSize is > 0 and var write ? write : long.MaxValue,
            MaxReadBufferSize = options.MaxReadBufferSize is > 0 and var ahead ? ahead : long.MaxValue,
            MaxReceiveBlocks = options.MaxReadBufferSize is > 0 and var read
                ? (int)Math.Clamp(read / StreamConnection.BlockSize, 1, int.MaxValue)
                : int.MaxValue,
            FinOnError = options.FinOnError,
            AllowHalfClose = options.AllowHalfClose,
            Limits = new ConnectionLimits(options, timeouts),
            CloseMayWait = closeMayWait,
            Logger = logger,
            AreAccepted = areAccepted,
        };

    /// <summary>The listener's lingering sockets.</summary>
    internal LingeringSockets Lingering { get; } = new();
}
