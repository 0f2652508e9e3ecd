namespace KestrelEventLoopTransport.Framing;

/// <summary>Options of an endpoint that a <see cref="FrameHandler"/> handles.</summary>
public sealed class FrameHandlerOptions
{
    private static readonly TimeSpan _minTime = TimeSpan.FromMilliseconds(1);

    // The longest time that a timer accepts.
    private static readonly TimeSpan _maxTime = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>
    /// The interval of <see cref="FrameHandler.OnTickAsync"/> for each connection, unless a tick returns another time
    /// for the next one; 1 ms to 49 days. Default: <see langword="null"/>, no ticks.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? TickInterval
    {
        get;
        init => field = InRange(value, nameof(TickInterval));
    }

    /// <summary>
    /// Whether <see cref="FrameHandler.OnTickAsync"/> and <see cref="FrameHandler.OnWakeAsync"/> may run while
    /// <see cref="FrameHandler.OnFrameAsync"/> has not completed, for example to send a heart-beat while a long request
    /// is answered. Ticks and wakes still do not overlap each other. The handler has to synchronize what its callbacks
    /// share. Default: <see langword="false"/>, callbacks of a connection never overlap.
    /// </summary>
    public bool AllowConcurrentTicks { get; init; }

    /// <summary>
    /// How long a connection may go without bytes in either direction; 1 ms to 49 days. What the transport takes to
    /// send counts, so a peer that is gone stays connected while something is sent to it: use <see
    /// cref="ReceiveIdleTimeout"/> against that. Default: <see langword="null"/>, no limit.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Bytes count when a read returns, and when a flush begins or ends. While a callback handles a frame nothing is
    /// read, so what arrives meanwhile does not count: choose a longer time than a callback takes. The transport's own
    /// <c>IdleTimeout</c> of an endpoint sees each byte of the socket. A flush that waits for the peer does not count
    /// as idle time if <see cref="SendStallTimeout"/>, or <see cref="CloseTimeout"/> once the connection is closing,
    /// limits the wait.
    /// </para>
    /// <para>
    /// When one of the time-outs passes, the connection is reset at once, also while a callback awaits. The transport's
    /// limits of the same name end an idle connection with a FIN; here it is not known whether the transport has sent
    /// all bytes, and the peer must not take a part for the whole.
    /// <see cref="FrameConnection.ConnectionClosed"/> is cancelled. <see cref="FrameHandler.OnDisconnectedAsync"/> gets
    /// a <see cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException"/> that has a
    /// <see cref="TimeoutException"/> inside and names the time-out, unless something else has ended the connection
    /// before. A time-out is never early, and late by a few milliseconds, unless the thread pool is busy. To close a
    /// connection with a last message instead, look at <see cref="FrameConnection.TimeSinceLastReceive"/> in
    /// <see cref="FrameHandler.OnTickAsync"/>.
    /// </para>
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? IdleTimeout
    {
        get;
        init => field = InRange(value, nameof(IdleTimeout));
    }

    /// <summary>
    /// How long a connection may wait for bytes from the peer; 1 ms to 49 days. It counts only while the connection
    /// reads: not while a callback handles a frame, nor while no frames are read because the peer does not take what
    /// was written. Any byte counts, also one of an incomplete frame. Default: <see langword="null"/>, no limit.
    /// </summary>
    /// <remarks>What happens then is said at <see cref="IdleTimeout"/>.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? ReceiveIdleTimeout
    {
        get;
        init => field = InRange(value, nameof(ReceiveIdleTimeout));
    }

    /// <summary>
    /// How long the peer may take nothing of what was written or sent while the transport's buffers are full; 1 ms to
    /// 49 days. The time starts again whenever the transport has taken 64 KiB, or one frame if frames are longer. So
    /// choose a time in which a slow peer can receive that much. Default: <see langword="null"/>, no limit.
    /// </summary>
    /// <remarks>What happens then is said at <see cref="IdleTimeout"/>.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? SendStallTimeout
    {
        get;
        init => field = InRange(value, nameof(SendStallTimeout));
    }

    /// <summary>
    /// How long a closing connection waits for a peer that takes nothing before the connection is aborted; 1 ms to 49
    /// days, or <see langword="null"/> for no limit. The time starts again whenever the peer has taken 64 KiB, or one
    /// frame if frames are longer. Bytes that are still in the transport's buffer after
    /// <see cref="FrameHandler.OnDisconnectedAsync"/> have to leave within the same time. Default: 30 seconds.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? CloseTimeout
    {
        get;
        init => field = InRange(value, nameof(CloseTimeout));
    }
    = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Number of bytes that may wait in a connection's queue while an earlier flush waits for the peer; at least 1.
    /// Once so many are waiting, <see cref="FrameConnection.SendAsync"/> fails and
    /// <see cref="FrameConnection.TrySend"/> returns <see cref="SendResult.QueueFull"/>. The last frame may exceed the
    /// limit: a frame is taken whole or not at all. Default: 1 MiB.
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
                $"OnTickAsync returned {next}. It must be {_minTime} to {_maxTime}, Timeout.InfiniteTimeSpan or null.");
        }
    }

    private static TimeSpan? InRange(TimeSpan? value, string name)
        => value is { } time && (time < _minTime || time > _maxTime)
            ? throw new ArgumentOutOfRangeException(
                name, value, $"{name} must be from {_minTime} to {_maxTime}, or null.")
            : value;
}
