using KestrelEventLoopTransport.Descriptors;

namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>The states of <see cref="InputState"/>. The first four are those of <see cref="Readiness"/>.</summary>
[Flags]
internal enum InputFlags
{
    None = 0,

    /// <inheritdoc cref="ReadinessFlags.Ready"/>
    Ready = ReadinessFlags.Ready,

    /// <summary>
    /// A thread is inside a system call, or moves the bytes that are held. That thread sets the flag and clears it.
    /// </summary>
    Busy = ReadinessFlags.Busy,

    /// <inheritdoc cref="ReadinessFlags.Stopped"/>
    Stopped = ReadinessFlags.Stopped,

    /// <inheritdoc cref="ReadinessFlags.Released"/>
    Released = ReadinessFlags.Released,

    /// <summary>
    /// A read waits. The reader sets the flag. The thread whose transition clears it resumes the read.
    /// </summary>
    Parked = 1 << 4,

    /// <summary>
    /// A read is no longer parked, and work that resumes it is queued. Cleared when that work runs.
    /// </summary>
    Claimed = 1 << 5,

    /// <summary>The pending or the next read ends as cancelled. Any thread sets it, that read clears it.</summary>
    Canceled = 1 << 6,

    /// <summary>The cancellation token of the pending read has fired. That read clears the flag.</summary>
    TokenCanceled = 1 << 7,

    /// <summary>The reader is completed, and its buffers are returned. Stays set.</summary>
    Completed = 1 << 8,

    /// <summary>We are closing the connection: what still arrives is not for the reader. Stays set.</summary>
    Closing = 1 << 9,

    /// <summary>
    /// A receive that brings less than asked for does not prove that the socket is empty: the end of the stream, an
    /// error or urgent data is also in its queue, and no further edge will report that. Stays set.
    /// </summary>
    MustDrain = 1 << 10,

    /// <summary>The peer has finished sending, and has not reset the connection. Stays set.</summary>
    PeerFinished = 1 << 11,

    /// <summary>
    /// The connection has failed, and the next receives tell how, or it was aborted after the peer's FIN. Stays set.
    /// </summary>
    Broken = 1 << 12,

    /// <summary>
    /// Bytes, or the end of the stream, were received ahead of the reader. The reader clears the flag when it takes
    /// them. It stays set when they are freed because the reader is completed.
    /// </summary>
    Held = 1 << 13,

    /// <summary>The end of the stream was received ahead of the reader. Set together with Held. Stays set.</summary>
    EndHeld = 1 << 14,

    /// <summary>
    /// The loop's watch has an entry for this input, and looks after a moment whether the edge has been answered. The
    /// watch clears the flag when it drops the entry.
    /// </summary>
    Watched = 1 << 15,

    /// <summary>
    /// As many bytes are held as may be. Nothing more is received ahead until the reader has made room.
    /// </summary>
    Full = 1 << 16,

    /// <summary>Work that receives the end of the stream for a blocked handler has been queued. Stays set.</summary>
    EndRequested = 1 << 17,

    /// <summary>
    /// The read deadline has passed. Each read fails until the deadline is moved, which clears the flag.
    /// </summary>
    TimedOut = 1 << 18,

    /// <summary>The flags that move by the rules of <see cref="Readiness"/>.</summary>
    Call = Ready | Busy | Stopped | Released,

    /// <summary>Each of these ends reading, from our side.</summary>
    Ended = Stopped | Closing | Completed,

    /// <summary>Each of these ends a wait, whether or not there is anything to read.</summary>
    Interrupted = Canceled | TokenCanceled | TimedOut | Ended,

    /// <summary>Each of these ends a wait.</summary>
    Wakes = Ready | Held | Interrupted,
}
