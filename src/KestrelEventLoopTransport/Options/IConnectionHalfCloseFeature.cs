namespace KestrelEventLoopTransport;

/// <summary>
/// Ends the two directions of a connection one after the other. Every connection of this transport has the feature,
/// whether or not <see cref="EndpointOptions.AllowHalfClose"/> is set.
/// </summary>
/// <remarks>
/// The feature is about the socket. TLS above it ends its own stream in its own way: a FIN that TLS has not announced
/// (<c>close_notify</c>) looks to the peer like a connection that was cut off.
/// </remarks>
public interface IConnectionHalfCloseFeature
{
    /// <summary>
    /// Whether the connection stays open when its peer has finished sending: the endpoint's
    /// <see cref="EndpointOptions.AllowHalfClose"/>.
    /// </summary>
    bool IsAllowed { get; }

    /// <summary>
    /// Cancelled when the peer has finished sending (a FIN). What it sent before may still be unread. Not cancelled if
    /// the connection ends in another way, which <c>ConnectionClosed</c> tells. Callbacks that are registered before
    /// run once, on the thread pool; <c>DisposeAsync</c> waits for them, and their exceptions are logged. When the peer
    /// has finished already, the token is cancelled, and a callback runs inside <c>Register</c>. It is the same token
    /// before and after.
    /// </summary>
    CancellationToken PeerFinished { get; }

    /// <summary>
    /// Sends what was written, flushed or not, and then a FIN. Reading goes on. Returns without waiting for the peer.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Counts as a call of the <see cref="System.IO.Pipelines.PipeWriter"/>: not at the same time as another one,
    /// although a flush may be pending. Later writes and flushes throw an <see cref="InvalidOperationException"/>. Does
    /// nothing if it was called before, or if the writer is completed.
    /// </para>
    /// <para>
    /// When the peer has finished as well, the connection ends and <c>ConnectionClosed</c> fires. The descriptor is
    /// closed when the peer's FIN has been received. If the reader was completed before that, it is closed when the
    /// writer is completed too or the connection is disposed: what the reader left unread would turn into a RST.
    /// </para>
    /// <para>
    /// A peer that never finishes is ended by <see cref="EndpointOptions.IdleTimeout"/>, and while a read waits by
    /// <see cref="EndpointOptions.ReceiveIdleTimeout"/>. <see cref="EndpointOptions.CloseTimeout"/> does not count: the
    /// application has not closed the connection.
    /// </para>
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// Middleware has replaced the connection's transport, as TLS does, and may still have something to send.
    /// </exception>
    void FinishSending();
}
