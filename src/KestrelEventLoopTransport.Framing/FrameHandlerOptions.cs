namespace KestrelEventLoopTransport.Framing;

/// <summary>Settings of <see cref="FramingConnectionBuilderExtensions.UseFrameHandler(Microsoft.AspNetCore.Connections.IConnectionBuilder, FrameHandler, FrameHandlerOptions?)"/>.</summary>
public sealed class FrameHandlerOptions
{
    // What a timer takes.
    private static readonly TimeSpan _maxTickInterval = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>
    /// How often <see cref="FrameHandler.OnTickAsync"/> is called for each connection; 1 ms to 49 days. Default:
    /// <see langword="null"/>, never.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? TickInterval
    {
        get;
        init
        {
            if (value is { } interval && (interval < TimeSpan.FromMilliseconds(1) || interval > _maxTickInterval))
            {
                throw new ArgumentOutOfRangeException(
                    nameof(TickInterval), value, $"TickInterval must be from 00:00:00.0010000 to {_maxTickInterval}, or null.");
            }
            field = value;
        }
    }

    /// <summary>
    /// Number of bytes that may wait in a connection's queue while an earlier flush is waiting for the peer. Beyond it,
    /// <see cref="FrameConnection.SendAsync"/> fails and <see cref="FrameConnection.TrySend"/> returns false. A frame that
    /// begins below it is taken whole. At least 1. Default: 1 MiB.
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
}
