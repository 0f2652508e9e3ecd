using System.Buffers;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Base of classes that handle the connections of an endpoint by callbacks, as gnet's <c>EventHandler</c> does. One
/// instance serves all connections, on many threads at once. Keep what belongs to one connection in
/// <see cref="FrameConnection.Context"/>.
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
/// or <see cref="OnInvalidFrameAsync"/> in the place of what is not a frame. Ticks and wakes come in between.
/// <see cref="OnPeerFinishedAsync"/> comes after the last frame if the peer has ended its side.
/// <see cref="OnDisconnectedAsync"/> comes last and exactly once, even if <see cref="OnConnectedAsync"/> failed.
/// </item>
/// <item>Memory that one callback has written is visible to the next one, on whatever threads they run.</item>
/// <item>
/// Frames leave in the order in which they were written or sent. What callbacks write for frames that arrived together
/// leaves together. Until the peer takes it, no further frames are read, but ticks and wakes go on.
/// </item>
/// <item>
/// A callback that throws closes its connection and no other, after what was written has been sent. The exception is
/// logged as an error, once per connection. It is logged at Debug if the peer has caused it, as with a failed
/// <see cref="FrameConnection.SendAsync"/>. If <see cref="OnConnectedAsync"/> fails, there are no ticks and wakes.
/// </item>
/// <item>
/// When the peer has ended its side, the connection is closed as soon as the callbacks for its frames and
/// <see cref="OnPeerFinishedAsync"/> have completed. What was written or sent by then leaves. One of them has to await
/// an answer that another thread prepares.
/// </item>
/// </list>
/// <para>
/// Callbacks may run on the thread of an event loop, so they should await rather than block. While a callback awaits a
/// <see cref="FrameConnection.SendAsync"/> of its own connection, the connection's other callbacks wait until the peer
/// reads, ticks too (but see <see cref="FrameHandlerOptions.AllowConcurrentTicks"/>).
/// <see cref="FrameConnection.Write(ReadOnlySpan{byte})"/> avoids that.
/// </para>
/// </remarks>
public abstract class FrameHandler
{
    /// <summary>Called when the server has started. There may already be connections.</summary>
    /// <param name="endpoint">The endpoint. It may be kept, to send to its connections from elsewhere.</param>
    protected internal virtual void OnStarted(FrameEndpoint endpoint)
    {
    }

    /// <summary>
    /// Called when the server is about to stop. The connections are still open. They are closed after this has returned
    /// and what it sends to them has left.
    /// </summary>
    /// <param name="endpoint">The endpoint.</param>
    protected internal virtual void OnStopping(FrameEndpoint endpoint)
    {
    }

    /// <summary>
    /// Called when a connection was accepted, and has passed TLS if there is any. No frame is read before this has
    /// completed.
    /// </summary>
    /// <param name="connection">The connection. It may be kept, to send from elsewhere.</param>
    protected internal virtual ValueTask OnConnectedAsync(FrameConnection connection) => default;

    /// <summary>Called for each frame that has arrived.</summary>
    /// <remarks>
    /// To end the connection because the frame's content is wrong, throw a <see cref="FrameException"/> with
    /// <see cref="FrameError.Corrupted"/>: it counts as the peer's fault and is logged at Debug. Any other exception
    /// counts as the application's fault and is logged as an error.
    /// </remarks>
    /// <param name="connection">The connection.</param>
    /// <param name="frame">The frame. It is not a copy, and valid only until this has completed.</param>
    protected internal abstract ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame);

    /// <summary>
    /// Called when bytes that have arrived are not a frame, so that the handler can answer. It comes in the place of
    /// the frame, behind the earlier frames.
    /// </summary>
    /// <remarks>
    /// For an oversized frame that is dropped (<see cref="OversizedFrameBehavior.Discard"/>), this is called when the
    /// whole frame has arrived, and reading goes on behind it. Any other error ends the connection when this has
    /// completed, after what was written has been sent. The default implementation does nothing.
    /// </remarks>
    /// <param name="connection">The connection.</param>
    /// <param name="exception">The error. Its message has the frame's length if that is known.</param>
    protected internal virtual ValueTask OnInvalidFrameAsync(FrameConnection connection, FrameException exception)
        => default;

    /// <summary>
    /// Called when <see cref="FrameHandlerOptions.TickInterval"/> has passed, or the time that the last tick returned.
    /// A tick that could not run before the next one is skipped.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <returns>
    /// The time until the next tick, counted from now: 1 ms to 49 days, or <see cref="Timeout.InfiniteTimeSpan"/> for
    /// no further tick. <see langword="null"/>, which is also <c>default</c>, keeps the interval.
    /// </returns>
    protected internal virtual ValueTask<TimeSpan?> OnTickAsync(FrameConnection connection) => default;

    /// <summary>Called after one or more calls of <see cref="FrameConnection.Wake"/>.</summary>
    /// <param name="connection">The connection.</param>
    protected internal virtual ValueTask OnWakeAsync(FrameConnection connection) => default;

    /// <summary>
    /// Called when the peer has ended its side and all of its frames have been handled. What is written or sent before
    /// this has completed still leaves, so it can await answers that other threads prepare. Then the connection closes.
    /// Not called if the connection ended in another way. The default implementation does nothing.
    /// </summary>
    /// <remarks>
    /// <see cref="FrameConnection.ConnectionClosed"/> has fired by then, unless the transport allows half-close: with
    /// this project's transport, the option <c>AllowHalfClose</c> of the endpoint. Ticks and wakes wait until this has
    /// completed (but see <see cref="FrameHandlerOptions.AllowConcurrentTicks"/>).
    /// </remarks>
    /// <param name="connection">The connection.</param>
    protected internal virtual ValueTask OnPeerFinishedAsync(FrameConnection connection) => default;

    /// <summary>
    /// Called when the connection has ended. Nothing can be read or sent any more, and no other callback follows. The
    /// transport has taken what was written, unless the connection broke.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="exception">
    /// <see langword="null"/> if the peer ended the connection between two frames, <see cref="FrameConnection.Close"/>
    /// was called, or the server stops. Otherwise the failure: a <see cref="FrameException"/>, the reset
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionResetException"/>), the abort
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException"/>), or what a callback threw. After a
    /// time-out of <see cref="FrameHandlerOptions"/> the abort's inner exception is a <see cref="TimeoutException"/>.
    /// </param>
    protected internal virtual ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception)
        => default;
}
