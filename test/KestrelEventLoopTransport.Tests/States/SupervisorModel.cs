using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The supervisor, a thread that runs callbacks, and two loops that look in the supervisor's place. A plain write of
/// the thread reaches the others later, as on a processor with a store buffer.
/// </summary>
/// <param name="Watch">The word.</param>
/// <param name="Clock">Whether the clock is set: then a wait ends at some time.</param>
/// <param name="MayWatch">Whether the time for a loop's look may come.</param>
/// <param name="Written">The thread's activity, as it has written it.</param>
/// <param name="Activity">The thread's activity, as the others see it.</param>
/// <param name="LastSeen">The note.</param>
/// <param name="Runs">Whether a callback ran at the supervisor's last look.</param>
/// <param name="IsCalm">Whether none did that had run at the one before.</param>
/// <param name="HasSeenLast">Whether the supervisor has seen the last callback twice.</param>
/// <param name="Begun">Callbacks that have begun.</param>
/// <param name="Stopping">Whether the supervisor is to end.</param>
/// <param name="HasStopSetClock">Whether the thread that stops it has set the clock after that.</param>
/// <param name="Supervisor">The supervisor's place.</param>
/// <param name="Thread">The thread's place.</param>
/// <param name="Loop1">A loop's place.</param>
/// <param name="Loop2">The other loop's place.</param>
internal readonly record struct SupervisorModel(
    WatchState Watch,
    bool Clock,
    bool MayWatch,
    ActivityState Written,
    ActivityState Activity,
    ActivityState LastSeen,
    bool Runs,
    bool IsCalm,
    bool HasSeenLast,
    int Begun,
    bool Stopping,
    bool HasStopSetClock,
    SupervisorModel.SupervisorAt Supervisor,
    SupervisorModel.ThreadAt Thread,
    SupervisorModel.LoopAt Loop1,
    SupervisorModel.LoopAt Loop2)
{
    internal const int Callbacks = 2;

    /// <summary>What the supervisor does next.</summary>
    internal enum SupervisorAt
    {
        BeginningTick,
        Opening,
        Waiting,
        Closing,
        Looking,
        FallingDrowsy,
        MakingVisible,
        Deciding,
        Disarming,
        LookingDrowsy,
        DisarmingTooLate,
        ChoosingRest,
        Arming,
        Resting,
        RestingUntilArmed,
        CheckingArmed,
        WakingUp,
        Ended,
    }

    /// <summary>What the thread does next.</summary>
    internal enum ThreadAt
    {
        Idle,
        ReadingWatch,
        Fencing,
        Arming,
        SettingClock,
        Running,
    }

    /// <summary>What a loop does next.</summary>
    internal enum LoopAt
    {
        Working,
        BeginningLook,
        CheckingTime,
        Looking,
        SettingClock,
        EndingLook,
        Done,
    }

    internal bool IsDrowsy => Watch.HasFlag(WatchState.Drowsy);

    internal bool IsArmed => Watch.HasFlag(WatchState.Armed);

    internal bool HaveReturned => this is { Thread: ThreadAt.Idle, Begun: Callbacks };

    internal bool IsKept => Activity.IsRunning && Activity == LastSeen;

    internal int NotesOwners
    {
        get
        {
            var supervisor = Supervisor is SupervisorAt.Waiting or SupervisorAt.Closing or SupervisorAt.Ended ? 0 : 1;
            return supervisor + Owns(Loop1) + Owns(Loop2);

            static int Owns(LoopAt at)
                => at is LoopAt.CheckingTime or LoopAt.Looking or LoopAt.SettingClock or LoopAt.EndingLook ? 1 : 0;
        }
    }

    internal SupervisorModel Drain() => this with { Activity = Written };

    internal SupervisorModel Move(WatchState? next)
    {
        Assert.NotNull(next);
        return this with { Watch = next.Value };
    }

    internal SupervisorModel Look()
        => this with
        {
            LastSeen = Activity,
            Runs = Activity.IsRunning,
            IsCalm = !IsKept,
            HasSeenLast = HasSeenLast || (IsKept && Begun == Callbacks && Activity == Written),
        };
}
