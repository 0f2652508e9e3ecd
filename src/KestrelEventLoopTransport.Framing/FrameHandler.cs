using System.Buffers;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Handles the connections of an endpoint by callbacks, as gnet's <c>EventHandler</c> does. One instance serves all of
/// them, from many threads at once; what belongs to one connection goes to <see cref="FrameConnection.Context"/>.
/// </summary>
/// <remarks>
/// <para>Guaranteed for each connection:</para>
/// <list type="bullet">
/// <item>
/// No two callbacks run at the same time (but see <see cref="FrameHandlerOptions.AllowConcurrentTicks"/>). A callback
/// runs until the task it returned has completed.
/// </item>
/// <item>
/// <see cref="OnConnectedAsync"/> comes first, then <see cref="OnFrameAsync"/> for each frame in the order of arrival,
/// or <see cref="OnInvalidFrameAsync"/> in the place of what is not a frame, with ticks and wakes in between, and last,
/// exactly once, <see cref="OnDisconnectedAsync"/>, even if <see cref="OnConnectedAsync"/> failed.
/// </item>
/// <item>What one callback has written is visible to the next one, whatever threads they run on.</item>
/// <item>
/// Frames leave in the order in which they were written or sent. What callbacks write for frames that arrived together
/// leaves together. While the peer does not take it, no more frames are read, but ticks and wakes go on.
/// </item>
/// <item>
/// A callback that throws closes its connection and no other, after what was written has been sent. The exception is
/// logged as an error, once for a connection; at Debug if it is the peer's doing, such as that of a failed
/// <see cref="FrameConnection.SendAsync"/>. If <see cref="OnConnectedAsync"/> fails, there are no ticks and wakes.
/// </item>
/// <item>
/// When the peer has ended its side, the connection is closed as soon as the callbacks for its frames have completed,
/// and what was written or sent by then leaves. An answer that somebody else is still making has to be awaited by its
/// callback.
/// </item>
/// </list>
/// <para>
/// Callbacks may run on an event loop's own thread: they should await rather than block. A callback that awaits a
/// <see cref="FrameConnection.SendAsync"/> of its own connection keeps the others waiting, ticks too (but see
/// <see cref="FrameHandlerOptions.AllowConcurrentTicks"/>), for as long as the peer does not read;
/// <see cref="FrameConnection.Write(ReadOnlySpan{byte})"/> does not.
/// </para>
/// </remarks>
public abstract class FrameHandler
{
    /// <summary>The server has started, and the endpoint accepts connections; some may be there already.</summary>
    /// <param name="endpoint">The endpoint. Others may keep it, to send to its connections.</param>
    protected internal virtual void OnStarted(FrameEndpoint endpoint)
    {
    }

    /// <summary>
    /// The server is about to stop: connections are still open, and are closed when this has returned. What it sends to
    /// them leaves before.
    /// </summary>
    /// <param name="endpoint">The endpoint.</param>
    protected internal virtual void OnStopping(FrameEndpoint endpoint)
    {
    }

    /// <summary>
    /// A connection was accepted, and has passed TLS if there is any. No frame is read before this has completed.
    /// </summary>
    /// <param name="connection">The connection. Others may keep it and send to it.</param>
    protected internal virtual ValueTask OnConnectedAsync(FrameConnection connection) => default;

    /// <summary>A frame has arrived.</summary>
    /// <remarks>
    /// If what the frame says makes no sense, and the connection is to end for that, throw a
    /// <see cref="FrameException"/> (<see cref="FrameError.Corrupted"/>): it is the peer's doing then, and logged at
    /// Debug. Any other exception is the application's fault, and logged as an error.
    /// </remarks>
    /// <param name="connection">The connection.</param>
    /// <param name="frame">The frame. It is not a copy: valid until this has completed.</param>
    protected internal abstract ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame);

    /// <summary>
    /// What has arrived is not a frame: the place to answer it. It comes in the frame's place, behind the earlier
    /// frames.
    /// </summary>
    /// <remarks>
    /// A frame that was dropped because it is too long (<see cref="OversizedFrameBehavior.Discard"/>) is told when all of it
    /// has gone by, and reading goes on behind it. Anything else ends the connection when this has completed, after
    /// what was written has been sent. By default nothing is answered.
    /// </remarks>
    /// <param name="connection">The connection.</param>
    /// <param name="exception">What is wrong. Its message has the frame's length, if it is known.</param>
    protected internal virtual ValueTask OnInvalidFrameAsync(FrameConnection connection, FrameException exception) => default;

    /// <summary>
    /// <see cref="FrameHandlerOptions.TickInterval"/> has passed, or what the last tick has asked for. A tick that
    /// cannot run before the next one is left out.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <returns>
    /// When to call it next, counted from now: 1 ms to 49 days, or <see cref="Timeout.InfiniteTimeSpan"/> for never
    /// again. <see langword="null"/>, which <c>default</c> is, leaves it at the interval.
    /// </returns>
    protected internal virtual ValueTask<TimeSpan?> OnTickAsync(FrameConnection connection) => default;

    /// <summary><see cref="FrameConnection.Wake"/> was called, once or more often.</summary>
    /// <param name="connection">The connection.</param>
    protected internal virtual ValueTask OnWakeAsync(FrameConnection connection) => default;

    /// <summary>
    /// The connection is over: nothing can be read or sent any more, and no other callback follows. What was written
    /// has been handed to the transport, unless the connection broke.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="exception">
    /// <see langword="null"/> if the peer ended it between two frames, or <see cref="FrameConnection.Close"/> did, or
    /// the server stops. Otherwise what went wrong: a <see cref="FrameException"/>, the reset
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionResetException"/>), the abort
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException"/>), or what a callback threw.
    /// </param>
    protected internal virtual ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception) => default;
}
