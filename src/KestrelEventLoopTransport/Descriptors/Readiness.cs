using System.Diagnostics;
using static KestrelEventLoopTransport.Descriptors.ReadinessFlags;

namespace KestrelEventLoopTransport.Descriptors;

/// <summary>
/// The state of a descriptor that threads read from when the poller has reported an edge. One atomic word, because the
/// loop, the thread that makes a system call and the thread that closes the descriptor all change it.
/// </summary>
/// <remarks>
/// <para>The legal states, each with or without <see cref="Ready"/>:</para>
/// <list type="bullet">
/// <item>no other flag: no system call is running;</item>
/// <item><see cref="Busy"/>: one thread is inside a system call;</item>
/// <item><see cref="Busy"/> and <see cref="Stopped"/>: that thread releases the descriptor when its call ends;</item>
/// <item><see cref="Stopped"/> and <see cref="Released"/>: no system call is running and none will.</item>
/// </list>
/// <para>
/// The thread whose transition sets <see cref="Released"/> closes the descriptor. There is exactly one.
/// </para>
/// </remarks>
internal struct Readiness
{
    private volatile ReadinessFlags _flags;

    /// <summary>Whether any of some flags is set.</summary>
    internal readonly bool Has(ReadinessFlags flags) => (_flags & flags) != 0;

    /// <summary>Reports an edge, or a reason to behave as if there had been one.</summary>
    internal void SetReady()
    {
        ReadinessFlags before;
        do
        {
            before = _flags;
        }
        while (!TryMove(before, before | Ready));
    }

    /// <summary>
    /// Answers an edge. If true, the caller makes a system call and then calls <see cref="EndCall"/>.
    /// </summary>
    internal bool TryBeginCall()
    {
        ReadinessFlags before;
        ReadinessFlags after;
        do
        {
            before = _flags;
            if (!ReadinessTransitions.TryBeginCall(before, out after))
            {
                return false;
            }
        }
        while (!TryMove(before, after));
        return true;
    }

    /// <summary>Ends a system call.</summary>
    /// <param name="more">Whether the descriptor is still ready.</param>
    /// <returns>Whether the caller has to close the descriptor, because it was stopped during the call.</returns>
    internal bool EndCall(bool more)
    {
        ReadinessFlags before;
        ReadinessFlags after;
        do
        {
            before = _flags;
            after = ReadinessTransitions.EndCall(more ? before | Ready : before);
        }
        while (!TryMove(before, after));
        return (after & Released) != 0;
    }

    /// <summary>Allows no further system call.</summary>
    /// <returns>
    /// Whether the caller has to close the descriptor. If false, the thread that is inside a call does so, or an
    /// earlier call of this method has.
    /// </returns>
    internal bool Stop()
    {
        ReadinessFlags before;
        ReadinessFlags after;
        do
        {
            before = _flags;
            after = ReadinessTransitions.Stop(before);
        }
        while (!TryMove(before, after));
        return (after & ~before & Released) != 0;
    }

    private bool TryMove(ReadinessFlags before, ReadinessFlags after)
    {
        Debug.Assert(ReadinessTransitions.IsLegal(after), "A transition leads to a legal state.");
        return Interlocked.CompareExchange(ref _flags, after, before) == before;
    }
}
