using System.Buffers;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Handles the connections of an endpoint by callbacks, as gnet's <c>EventHandler</c> does. One instance serves all of
/// them, from many threads at once; what belongs to one connection goes to <see cref="FrameConnection.Context"/>.
/// </summary>
/// <remarks>
/// <para>Guaranteed for each connection:</para>
/// <list type="bullet">
/// <item>No two callbacks run at the same time. A callback runs until the task it returned has completed.</item>
/// <item>
/// <see cref="OnConnectedAsync"/> comes first, then <see cref="OnFrameAsync"/> for each frame in the order of arrival,
/// with ticks and wakes in between, and last, exactly once, <see cref="OnDisconnectedAsync"/>, even if
/// <see cref="OnConnectedAsync"/> failed.
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
/// </list>
/// <para>
/// Callbacks may run on an event loop's own thread: they should await rather than block. A callback that awaits a
/// <see cref="FrameConnection.SendAsync"/> of its own connection keeps the others waiting, ticks too, for as long as the
/// peer does not read; <see cref="FrameConnection.Write(ReadOnlySpan{byte})"/> does not.
/// </para>
/// </remarks>
public abstract class FrameHandler
{
    /// <summary>A connection was accepted, and has passed TLS if there is any. No frame is read before this has completed.</summary>
    /// <param name="connection">The connection. Others may keep it and send to it.</param>
    protected internal virtual ValueTask OnConnectedAsync(FrameConnection connection) => default;

    /// <summary>A frame has arrived.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="frame">The frame. It is not a copy: valid until this has completed.</param>
    protected internal abstract ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame);

    /// <summary><see cref="FrameHandlerOptions.TickInterval"/> has passed. A tick that cannot run before the next one is left out.</summary>
    /// <param name="connection">The connection.</param>
    protected internal virtual ValueTask OnTickAsync(FrameConnection connection) => default;

    /// <summary><see cref="FrameConnection.Wake"/> was called, once or more often.</summary>
    /// <param name="connection">The connection.</param>
    protected internal virtual ValueTask OnWakeAsync(FrameConnection connection) => default;

    /// <summary>
    /// The connection is over: nothing can be read or sent any more, and no other callback follows. What was written has
    /// been handed to the transport, unless the connection broke.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="exception">
    /// <see langword="null"/> if the peer ended it between two frames, or <see cref="FrameConnection.Close"/> did, or the
    /// server stops. Otherwise what went wrong: a <see cref="FrameException"/>, the reset
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionResetException"/>), the abort
    /// (<see cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException"/>), or what a callback threw.
    /// </param>
    protected internal virtual ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception) => default;
}
