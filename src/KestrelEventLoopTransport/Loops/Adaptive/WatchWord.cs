using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Whether the supervisor sleeps, and which thread owns the notes about activities and the pace: the supervisor, no
/// thread, or a loop that looks in its place. One atomic word.
/// </summary>
/// <remarks>
/// <para>Legal states:</para>
/// <list type="table">
/// <item><term>Awake</term><description>The supervisor looks, or sleeps for a fixed time.</description></item>
/// <item><term>Asleep</term>
/// <description>It is about to sleep until it is woken: it looks for the last time. Where its clock cannot be moved, it
/// also sleeps in this state.</description></item>
/// <item><term>Asleep, Open</term><description>It sleeps until it is woken.</description></item>
/// <item><term>Open</term><description>It sleeps until a time that loops may put off.</description></item>
/// <item><term>Looking</term><description>It sleeps, and a loop looks in its place.</description></item>
/// </list>
/// <para>
/// The supervisor moves between Awake and the others. A thread that begins application code clears Asleep. A loop moves
/// Open to Looking and back.
/// </para>
/// </remarks>
internal struct WatchWord
{
    private int _word;

    /// <summary>Whether the supervisor has to be woken.</summary>
    internal readonly bool IsAsleep => (Read() & WatchState.Asleep) != 0;

    /// <summary>Whether a loop may look.</summary>
    internal readonly bool IsOpen => Read() == WatchState.Open;

    internal static bool IsLegal(WatchState state)
        => state is WatchState.Awake or WatchState.Asleep or WatchState.Open or WatchState.Looking
            or (WatchState.Asleep | WatchState.Open);

    // The transitions. Each gives the next state, or null if the state does not allow it.

    /// <summary>The supervisor's: it is about to sleep until it is woken.</summary>
    internal static WatchState? FallAsleep(WatchState state)
        => state == WatchState.Awake ? WatchState.Asleep : null;

    /// <summary>Any thread's: the supervisor is not to sleep on. The thread that succeeds sets the clock.</summary>
    internal static WatchState? Rouse(WatchState state)
        => (state & WatchState.Asleep) != 0 ? state & ~WatchState.Asleep : null;

    /// <summary>The supervisor's: it gives the notes up, for as long as it waits for its clock.</summary>
    internal static WatchState? Open(WatchState state)
        => (state & (WatchState.Open | WatchState.Looking)) == 0 ? state | WatchState.Open : null;

    /// <summary>
    /// A loop's: it takes the notes. Not while the supervisor sleeps until it is woken: nothing runs.
    /// </summary>
    internal static WatchState? BeginLook(WatchState state)
        => state == WatchState.Open ? WatchState.Looking : null;

    /// <summary>A loop's: it gives the notes back.</summary>
    internal static WatchState? EndLook(WatchState state)
        => state == WatchState.Looking ? WatchState.Open : null;

    /// <summary>The supervisor's: it takes the notes, once no loop has them.</summary>
    internal static WatchState? Close(WatchState state)
        => (state & WatchState.Open) != 0 ? state & ~WatchState.Open : null;

    // The same, on the word.

    internal void FallAsleep() => Move(FallAsleep);

    /// <summary>True when the caller has to set the clock.</summary>
    internal bool TryRouse() => TryMove(Rouse);

    internal void Open() => Move(Open);

    /// <summary>True when the caller owns the notes until <see cref="EndLook()"/>.</summary>
    internal bool TryBeginLook() => TryMove(BeginLook);

    internal void EndLook() => Move(EndLook);

    /// <summary>Waits for a loop that is looking.</summary>
    internal void Close()
    {
        var wait = default(SpinWait);
        while (!TryMove(Close))
        {
            wait.SpinOnce();
        }
    }

    private readonly WatchState Read() => (WatchState)Volatile.Read(in _word);

    private void Move(Func<WatchState, WatchState?> transition)
    {
        var moved = TryMove(transition);
        Debug.Assert(moved, "The one thread that may make this move is the caller.");
    }

    private bool TryMove(Func<WatchState, WatchState?> transition)
    {
        while (true)
        {
            var state = Read();
            Debug.Assert(IsLegal(state), "Legal states are listed above.");
            if (transition(state) is not { } next)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _word, (int)next, (int)state) == (int)state)
            {
                return true;
            }
        }
    }
}
