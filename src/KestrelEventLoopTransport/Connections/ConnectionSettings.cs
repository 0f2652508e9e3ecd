using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Connections;

/// <summary>What all connections of a listener share.</summary>
internal sealed class ConnectionSettings
{
    /// <summary>Unsent bytes at which a flush waits; <see cref="long.MaxValue"/> for never.</summary>
    internal required long MaxWriteBufferSize { get; init; }

    /// <summary>Most blocks that one receive may fill.</summary>
    internal required int MaxReceiveBlocks { get; init; }

    /// <summary>Whether an abort sends a FIN rather than a RST.</summary>
    internal required bool FinOnError { get; init; }

    /// <summary>Whether closing a descriptor may wait: SO_LINGER with a time is set (<c>socket(7)</c>).</summary>
    internal required bool CloseWaits { get; init; }

    internal required ILogger Logger { get; init; }
}
