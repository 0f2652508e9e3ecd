namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>Decides whether a flush sends at once.</summary>
/// <remarks>
/// <para>
/// Inside a dispatch, more output is likely to follow: the end of a chunked response after its body, or the responses
/// to pipelined requests. One send takes them all, when the reader has run out of input or the dispatch ends.
/// </para>
/// <para>
/// Outside of a dispatch, a second flush without new input in between comes from a protocol that writes piecemeal, as
/// HTTP/2 does stream by stream. Its first flush after the next input will not be its only one either.
/// </para>
/// <para>The fields are hints: the reader and the writer race on them.</para>
/// </remarks>
internal struct DeferralPolicy
{
    // A flush of this many bytes is worth a system call of its own.
    private const int MaxDeferredBytes = 64 * 1024;

    private int _flushesSinceInput;

    // Whether there were several flushes between the last two inputs.
    private bool _isPiecemeal;

    /// <summary>Bytes have arrived. The next flush answers them and is not queued behind others.</summary>
    internal void OnInput()
    {
        _isPiecemeal = _flushesSinceInput > 1;
        _flushesSinceInput = 0;
    }

    /// <param name="connection">The connection that is flushed.</param>
    /// <param name="unsent">The bytes that are committed and not sent.</param>
    internal Deferral OnFlush(StreamConnection connection, long unsent)
    {
        _flushesSinceInput++;
        if (unsent >= Math.Min(MaxDeferredBytes, connection.MaxWriteBufferSize))
        {
            return Deferral.None;
        }

        if (connection.HoldsOutput)
        {
            return Deferral.Cork;
        }

        // A dispatch that does not hold output has lost its loop, and no supervisor would uncork it.
        return !connection.IsDispatching && (_flushesSinceInput > 1 || _isPiecemeal) ? Deferral.Queue : Deferral.None;
    }
}
