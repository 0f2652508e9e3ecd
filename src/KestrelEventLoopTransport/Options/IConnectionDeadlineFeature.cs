namespace KestrelEventLoopTransport;

/// <summary>
/// Deadlines of a connection's reads and flushes, in <c>ConnectionContext.Features</c>. For applications that read and
/// write a connection themselves; HTTP has time limits of its own. All members are thread-safe.
/// </summary>
/// <remarks>
/// <para>
/// A deadline is a moment, as with Go's <c>net.Conn.SetDeadline</c>, and not an idle time: it applies to all operations
/// until it is moved. Deadlines are never early, and usually late by a few milliseconds. The clock is read when a
/// deadline is set; a later change of the system's clock does not move it.
/// </para>
/// <para>
/// An operation whose deadline has passed fails with an <see cref="IOException"/>, whose inner exception is a
/// <see cref="TimeoutException"/>. The connection stays open. A new deadline in the future, or
/// <see langword="null"/>, makes operations work again. Nothing is lost and nothing is sent twice.
/// </para>
/// </remarks>
public interface IConnectionDeadlineFeature
{
    /// <summary>
    /// When reads begin to fail: one that waits at that moment, and each <c>ReadAsync</c> and <c>TryRead</c>
    /// afterwards, even if there are bytes to read. A moment in the past makes them fail at once.
    /// <see langword="null"/>, the default: never.
    /// </summary>
    DateTimeOffset? ReadDeadline { get; set; }

    /// <summary>
    /// When flushes begin to fail: one that waits for room at that moment, and each <c>FlushAsync</c> afterwards. A
    /// moment in the past makes them fail at once. <see langword="null"/>, the default: never.
    /// </summary>
    /// <remarks>
    /// What a flush has committed before the deadline is still sent. A flush that begins after the deadline commits
    /// nothing: what was written stays in the writer, and the next flush that works, or the writer's completion,
    /// commits it. Do not write it again. A flush that begins while another one waits is the same flush, and shares its
    /// outcome.
    /// </remarks>
    DateTimeOffset? WriteDeadline { get; set; }

    /// <summary>Sets both deadlines.</summary>
    /// <param name="deadline">When reads and flushes begin to fail; <see langword="null"/> for never.</param>
    void SetDeadlines(DateTimeOffset? deadline);
}
