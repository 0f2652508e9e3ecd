using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Settings of
/// <see cref="FramingConnectionBuilderExtensions.UseFrameHandler(IConnectionBuilder, FrameHandler, FrameHandlerOptions?)"/>.
/// </summary>
public sealed class FrameHandlerOptions
{
    private static readonly TimeSpan _minTime = TimeSpan.FromMilliseconds(1);

    // What a timer takes.
    private static readonly TimeSpan _maxTime = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>
    /// How often <see cref="FrameHandler.OnTickAsync"/> is called for each connection, unless it says itself when it
    /// wants to be called next; 1 ms to 49 days. Default: <see langword="null"/>, never.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? TickInterval
    {
        get;
        init
        {
            ThrowIfOutOfRange(value, nameof(TickInterval));
            field = value;
        }
    }

    /// <summary>
    /// Whether <see cref="FrameHandler.OnTickAsync"/> and <see cref="FrameHandler.OnWakeAsync"/> may run while
    /// <see cref="FrameHandler.OnFrameAsync"/> has not completed, for example to send a heart-beat while a long request
    /// is answered. They still do not run beside each other. The handler has to synchronize what they share. Default:
    /// <see langword="false"/>, callbacks of a connection never overlap.
    /// </summary>
    public bool AllowConcurrentTicks { get; init; }

    /// <summary>
    /// How long a connection that is to be closed waits for a peer that takes nothing of what was written before it is
    /// aborted; 1 ms to 49 days, or <see langword="null"/> for ever. It counts from the last progress, which is seen at
    /// every 64 KiB, or at every frame if they are longer; what the transport still keeps when the handler is done with
    /// the connection has to leave within the same time. Default: 30 seconds.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? CloseTimeout
    {
        get;
        init
        {
            ThrowIfOutOfRange(value, nameof(CloseTimeout));
            field = value;
        }
    }
    = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Number of bytes that may wait in a connection's queue while an earlier flush is waiting for the peer. Beyond it,
    /// <see cref="FrameConnection.SendAsync"/> fails and <see cref="FrameConnection.TrySend"/> returns
    /// <see cref="SendResult.QueueFull"/>. A frame that begins below it is taken whole. At least 1. Default: 1 MiB.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int MaxQueuedBytes
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1, nameof(MaxQueuedBytes));
            field = value;
        }
    }
    = 1024 * 1024;

    internal static void ThrowIfNotNextTick(TimeSpan next)
    {
        if (next != Timeout.InfiniteTimeSpan && (next < _minTime || next > _maxTime))
        {
            throw new InvalidOperationException(
                $"OnTickAsync returned {next}: {_minTime} to {_maxTime}, Timeout.InfiniteTimeSpan or null is allowed.");
        }
    }

    private static void ThrowIfOutOfRange(TimeSpan? value, string name)
    {
        if (value is { } time && (time < _minTime || time > _maxTime))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be from {_minTime} to {_maxTime}, or null.");
        }
    }
}
