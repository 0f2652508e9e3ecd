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

    /// <summary>Whether the last flush came from outside of a dispatch.</summary>
    internal bool IsOutside { get; private set; }

    /// <summary>Bytes have arrived. The next flush answers them and is not queued behind others.</summary>
    internal void OnInput()
    {
        _isPiecemeal = _flushesSinceInput > 1;
        _flushesSinceInput = 0;
    }

    /// <param name="isInside">Whether the flush comes from inside a dispatch of the connection.</param>
    /// <param name="unsent">The bytes that are committed and not sent.</param>
    /// <param name="maxUnsent">The bytes at which a flush waits for room.</param>
    internal Deferral OnFlush(bool isInside, long unsent, long maxUnsent)
    {
        _flushesSinceInput++;
        if (IsOutside == isInside)
        {
            // Written only when it changes: the loop's thread reads it at each edge.
            IsOutside = !isInside;
        }

        return unsent >= Math.Min(MaxDeferredBytes, maxUnsent) ? Deferral.None
            : isInside ? Deferral.Cork
            : _flushesSinceInput > 1 || _isPiecemeal ? Deferral.Queue
            : Deferral.None;
    }
}
