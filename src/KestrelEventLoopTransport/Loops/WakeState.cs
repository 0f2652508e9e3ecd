namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Which thread runs a loop, whether a wake-up is on its way to it, and whether the loop has ended: the managed number
/// of a thread, and two bits.
/// </summary>
/// <remarks>
/// <para>Legal states:</para>
/// <list type="table">
/// <item><term>0</term>
/// <description>No thread runs the loop: before the first owner, or between two.</description></item>
/// <item><term>owner</term><description>A thread runs the loop.</description></item>
/// <item><term>pending</term>
/// <description>Some thread wakes the loop, or has woken it. Alone, before the first owner and between two, or with
/// one.</description>
/// </item>
/// <item><term>ended</term><description>The loop has ended, for good. Without owner, and never pending.</description>
/// </item>
/// </list>
/// <para>
/// A thread that posts moves to pending, and wakes the loop if it was not. The owner ends pending when it has polled.
/// The next owner replaces the last one and leaves pending as it is. A thread that has lost the loop leaves it, unless
/// the next owner has replaced it: otherwise a thread that runs another loop by now would still count as the owner.
/// </para>
/// </remarks>
/// <param name="Value">The number with the bits.</param>
internal readonly record struct WakeState(int Value)
{
    private const int PendingBit = 1;
    private const int EndedBit = 2;
    private const int OwnerShift = 2;

    /// <summary>The loop has ended. Every state may move here.</summary>
    internal static WakeState Ended => new(EndedBit);

    /// <summary>
    /// The owner has given the loop away, before it has ended. The next owner polls, or looks at the queue, before it
    /// sleeps, so nothing needs to wake it.
    /// </summary>
    internal static WakeState Disowned => new(PendingBit);

    /// <summary>The managed number of the thread that runs the loop; 0 if none does.</summary>
    internal int Owner => Value >> OwnerShift;

    /// <summary>Whether a wake-up is on its way.</summary>
    internal bool IsPending => (Value & PendingBit) != 0;

    /// <summary>Whether the loop has ended.</summary>
    internal bool HasEnded => (Value & EndedBit) != 0;

    /// <summary>For assertions: the end stands alone.</summary>
    internal bool IsLegal => Value >= 0 && (!HasEnded || Value == EndedBit);

    /// <summary>
    /// A thread has enqueued work. The owner wakes nothing, since it reads the queue before it sleeps.
    /// </summary>
    internal (WakeState Next, WakeAction Action) Post(int thread)
        => HasEnded ? (this, WakeAction.MoveToPool)
            : Owner == thread || IsPending ? (this, WakeAction.None)
            : (new(Value | PendingBit), WakeAction.Wake);

    /// <summary>The owner has polled: a wake-up that was on its way has come, or ends the next poll.</summary>
    internal WakeState Poll() => new(Value & ~PendingBit);

    /// <summary>A thread that has lost the loop is not its owner any more.</summary>
    internal WakeState Leave(int thread) => Owner == thread ? new(Value & PendingBit) : this;

    /// <summary>A thread runs the loop from here on. Only while the loop has not ended.</summary>
    internal WakeState Own(int thread) => new((thread << OwnerShift) | (Value & PendingBit));
}
