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
    /// the connection ends in another way, which <c>ConnectionClosed</c> tells. Callbacks run once, on the thread pool;
    /// <c>DisposeAsync</c> waits for them. An exception of a callback is logged.
    /// </summary>
    CancellationToken PeerFinished { get; }

    /// <summary>
    /// Sends what was written, flushed or not, and then a FIN. Reading goes on. Returns without waiting for the peer.
    /// </summary>
    /// <remarks>
    /// Counts as a call of the <see cref="System.IO.Pipelines.PipeWriter"/>: not at the same time as another one,
    /// although a flush may be pending. Later writes and flushes throw an <see cref="InvalidOperationException"/>. When
    /// the peer has finished as well, the connection ends and <c>ConnectionClosed</c> fires. Does nothing if it was
    /// called before, or if the writer is completed.
    /// </remarks>
    void FinishSending();
}
