namespace KestrelEventLoopTransport.Framing;

/// <summary>Options of a <see cref="FrameClient"/>.</summary>
public sealed class FrameClientOptions
{
    private static readonly TimeSpan _minDelay = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _maxDelay = TimeSpan.FromDays(1);

    /// <summary>
    /// About how long the client waits after the first failed attempt; 1 ms to 1 day. Each further wait is about twice
    /// as long, up to <see cref="MaxReconnectDelay"/>. All are random, so that clients do not return at the same time.
    /// A connection that has lasted this long counts as a success: the next attempt follows at once when it ends, and
    /// the waits begin anew. Default: 1 second.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan ReconnectDelay
    {
        get;
        init => field = InRange(value, nameof(ReconnectDelay));
    }
    = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait between two attempts; 1 ms to 1 day. Default: 30 seconds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan MaxReconnectDelay
    {
        get;
        init => field = InRange(value, nameof(MaxReconnectDelay));
    }
    = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The codec of the frames that the client sends. Default: <see langword="null"/>, the one of the frames that it
    /// receives.
    /// </summary>
    public FrameCodec? WriteCodec { get; init; }

    /// <summary>How to treat oversized and incomplete frames. Default: reading fails.</summary>
    public FrameReaderOptions? Reader { get; init; }

    /// <summary>
    /// The handler's timers and limits. <see cref="FrameHandlerOptions.TickInterval"/> sends heart-beats, and
    /// <see cref="FrameHandlerOptions.ReceiveIdleTimeout"/> ends a connection whose server is gone. Default: those of a
    /// new instance.
    /// </summary>
    public FrameHandlerOptions? Handler { get; init; }

    private static TimeSpan InRange(TimeSpan value, string name)
        => value < _minDelay || value > _maxDelay
            ? throw new ArgumentOutOfRangeException(name, value, $"{name} must be from {_minDelay} to {_maxDelay}.")
            : value;
}
