using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// How awake the supervisor is, and which thread owns the notes about activities and the pace: the supervisor, no
/// thread, or a loop that looks in its place. One atomic word.
/// </summary>
/// <remarks>
/// <para>Legal states:</para>
/// <list type="table">
/// <item><term>Awake</term><description>The supervisor looks, or sleeps for a fixed time.</description></item>
/// <item><term>Open</term><description>It sleeps until a time that loops may put off.</description></item>
/// <item><term>Looking</term><description>It sleeps, and a loop looks in its place.</description></item>
/// <item><term>Drowsy</term>
/// <description>It is half-awake, and looks, or sleeps without an end.</description></item>
/// <item><term>Drowsy, Armed</term>
/// <description>It is half-awake, and is about to look, or sleeps for a time that a thread has set or is about to set.
/// </description></item>
/// </list>
/// <para>
/// The supervisor moves between Awake, Open and Drowsy, and from armed to not armed. A thread that begins application
/// code arms, and so does the supervisor. A loop moves Open to Looking and back.
/// </para>
/// </remarks>
internal struct WatchWord
{
    private int _word;

    /// <summary>Whether a thread that begins application code has to call <see cref="TryArm"/>.</summary>
    internal readonly bool IsDrowsy => (Read() & WatchState.Drowsy) != 0;

    /// <summary>Whether the half-awake supervisor will look soon.</summary>
    internal readonly bool IsArmed => (Read() & WatchState.Armed) != 0;

    /// <summary>Whether a loop may look.</summary>
    internal readonly bool IsOpen => Read() == WatchState.Open;

    internal static bool IsLegal(WatchState state)
        => state is WatchState.Awake or WatchState.Open or WatchState.Looking or WatchState.Drowsy
            or (WatchState.Drowsy | WatchState.Armed);

    // The transitions. Each gives the next state, or null if the state does not allow it.

    /// <summary>The supervisor's: it is half-awake from now on, and about to look.</summary>
    internal static WatchState? FallDrowsy(WatchState state)
        => state == WatchState.Awake ? WatchState.Drowsy | WatchState.Armed : null;

    /// <summary>The supervisor's: it is awake.</summary>
    internal static WatchState? WakeUp(WatchState state)
        => (state & WatchState.Drowsy) != 0 ? WatchState.Awake : null;

    /// <summary>
    /// Any thread's: the supervisor is to look soon. The thread that succeeds sets the clock; the supervisor may sleep
    /// for a fixed time instead.
    /// </summary>
    internal static WatchState? Arm(WatchState state)
        => state == WatchState.Drowsy ? WatchState.Drowsy | WatchState.Armed : null;

    /// <summary>The supervisor's: it is about to look. What begins later arms it again.</summary>
    internal static WatchState? Disarm(WatchState state)
        => state == (WatchState.Drowsy | WatchState.Armed) ? WatchState.Drowsy : null;

    /// <summary>The supervisor's: it gives the notes up, for as long as it waits for its clock.</summary>
    internal static WatchState? Open(WatchState state)
        => state == WatchState.Awake ? WatchState.Open : null;

    /// <summary>A loop's: it takes the notes.</summary>
    internal static WatchState? BeginLook(WatchState state)
        => state == WatchState.Open ? WatchState.Looking : null;

    /// <summary>A loop's: it gives the notes back.</summary>
    internal static WatchState? EndLook(WatchState state)
        => state == WatchState.Looking ? WatchState.Open : null;

    /// <summary>The supervisor's: it takes the notes, once no loop has them.</summary>
    internal static WatchState? Close(WatchState state)
        => state == WatchState.Open ? WatchState.Awake : null;

    // The same, on the word.

    internal void FallDrowsy() => Move(FallDrowsy);

    internal void WakeUp() => Move(WakeUp);

    /// <summary>
    /// True when the caller has to set the clock. What the caller wrote before is visible to a supervisor that looks
    /// later.
    /// </summary>
    internal bool TryArm()
    {
        // Without it, the word could be read before the supervisor disarms, and the writes be seen after it has looked.
        Interlocked.MemoryBarrier();
        return TryMove(Arm);
    }

    internal void Disarm() => Move(Disarm);

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
