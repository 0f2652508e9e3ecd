using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The supervisor, a thread that runs callbacks, and two loops that look in the supervisor's place: all orders of what
/// they do. A plain write of the thread reaches the others later, as on a processor with a store buffer.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class SupervisorWatchTests
{
    private const int Callbacks = 2;

    /// <summary>What the supervisor does next.</summary>
    private enum At
    {
        Deciding,
        SettingClock,
        Opening,
        Waiting,
        Closing,
        Looking,
        ClearingClock,
        FallingAsleep,
        MakingVisible,
        LookingOnceMore,
        OpeningAsleep,
        CheckingSleep,
        Sleeping,
        ClosingAwake,
        Ended,
    }

    /// <summary>What the thread does next.</summary>
    private enum ThreadAt
    {
        Idle,
        ReadingWatch,
        Rousing,
        SettingClock,
        AllowingWatch,
        Running,
    }

    /// <summary>What a loop does next.</summary>
    private enum LoopAt
    {
        Working,
        BeginningLook,
        CheckingTime,
        Looking,
        SettingClock,
        EndingLook,
        Done,
    }

    public static TheoryData<int> LegalStates =>
    [
        (int)WatchState.Awake, (int)WatchState.Asleep, (int)WatchState.Open, (int)WatchState.Looking,
        (int)(WatchState.Asleep | WatchState.Open),
    ];

    [Theory]
    [MemberData(nameof(LegalStates))]
    public void Every_event_leads_from_a_legal_state_to_a_legal_one(int state)
    {
        var from = (WatchState)state;
        Assert.True(WatchWord.IsLegal(from));
        Func<WatchState, WatchState?>[] transitions =
        [
            WatchWord.FallAsleep, WatchWord.Rouse, WatchWord.Open,
            WatchWord.BeginLook, WatchWord.EndLook, WatchWord.Close,
        ];
        foreach (var transition in transitions)
        {
            if (transition(from) is { } next)
            {
                Assert.True(WatchWord.IsLegal(next), $"{transition.Method.Name}: {from} to {next}.");
                Assert.NotEqual(from, next);
            }
        }
    }

    [Fact]
    public void The_word_moves_as_the_states_do()
    {
        var word = default(WatchWord);
        word.FallAsleep();
        word.Open();
        Assert.True(word.IsAsleep);
        Assert.False(word.IsOpen);
        Assert.False(word.TryBeginLook());

        Assert.True(word.TryRouse());
        Assert.False(word.TryRouse());
        Assert.False(word.IsAsleep);
        Assert.True(word.IsOpen);

        Assert.True(word.TryBeginLook());
        Assert.False(word.TryBeginLook());
        Assert.False(word.IsOpen);
        word.EndLook();
        word.Close();
        Assert.False(word.IsOpen);
        Assert.False(word.TryBeginLook());
    }

    /// <summary>
    /// The first callback may return at any time. The second returns only when the supervisor has seen it twice, as one
    /// that blocks.
    /// </summary>
    /// <param name="isMovable">Whether the clock can be moved, so that loops may look.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_callback_is_overlooked_and_the_notes_have_one_owner(bool isMovable)
    {
        var states = new Explorer<Model>()
            .Actor("supervisor", model => SupervisorSteps(model, isMovable))
            .Actor("thread", ThreadSteps)
            .Actor("memory", static model => model.Written == model.Activity ? [] : [Drain(model)])
            .Actor("loop 1", static model => LoopSteps(model, model.Loop1, static (m, at) => m with { Loop1 = at }))
            .Actor("loop 2", static model => LoopSteps(model, model.Loop2, static (m, at) => m with { Loop2 = at }))
            .Actor("stop", StopSteps)
            .Always("States are legal", static model => WatchWord.IsLegal(model.Watch))
            .Always("The notes have one owner", static model => NotesOwners(model) <= 1)
            .Always("The sleep lasts until it is ended", MayEndSleep)
            .AtTheEnd("All callbacks have returned", HaveReturned)
            .AtTheEnd("The supervisor has ended", static model => model.Supervisor == At.Ended)
            .AtTheEnd("The loops go on", static model => model is { Loop1: LoopAt.Done, Loop2: LoopAt.Done })
            .Explore(default);

        Assert.Contains(states, static model => model.Supervisor == At.Sleeping && IsAsleep(model));
        Assert.Equal(isMovable, states.Any(static model => model.Watch == WatchState.Looking));
    }

    private static IEnumerable<Model> SupervisorSteps(Model model, bool isMovable)
    {
        switch (model.Supervisor)
        {
            case At.Deciding:
                yield return model with
                {
                    Supervisor = model.Stopping ? At.Ended
                        : !model.Runs ? At.ClearingClock
                        : model.IsCalm && isMovable ? At.SettingClock
                        : At.Looking,
                };
                break;
            case At.SettingClock:
                yield return model with { Clock = true, MayWatch = true, Supervisor = At.Opening };
                break;
            case At.Opening:
                yield return Move(model, WatchWord.Open(model.Watch)) with { Supervisor = At.Waiting };
                break;
            case At.Waiting when model.Clock:
                yield return model with { Clock = false, Supervisor = At.Closing };
                break;
            case At.Closing or At.ClosingAwake when WatchWord.Close(model.Watch) is { } closed:
                yield return model with { Watch = closed, Supervisor = At.Looking };
                break;
            case At.ClosingAwake when !isMovable:
                yield return model with { Supervisor = At.Looking };
                break;
            case At.Looking:
                yield return Look(model) with { Supervisor = At.Deciding };
                break;
            case At.ClearingClock:
                var cleared = model with { Clock = false, MayWatch = false, IsRoused = false };
                yield return cleared with { Supervisor = At.FallingAsleep };
                break;
            case At.FallingAsleep:
                yield return Move(model, WatchWord.FallAsleep(model.Watch)) with { Supervisor = At.MakingVisible };
                break;
            case At.MakingVisible:
                yield return Drain(model) with { Supervisor = At.LookingOnceMore };
                break;
            case At.LookingOnceMore:
                var after = Look(model);
                yield return after.Runs
                    ? after with { Watch = WatchWord.Rouse(after.Watch) ?? after.Watch, Supervisor = At.Deciding }
                    : after with { Supervisor = isMovable ? At.OpeningAsleep : At.CheckingSleep };
                break;
            case At.OpeningAsleep:
                yield return Move(model, WatchWord.Open(model.Watch)) with { Supervisor = At.CheckingSleep };
                break;
            case At.CheckingSleep:
                yield return model with
                {
                    Supervisor = IsAsleep(model) && !model.Stopping ? At.Sleeping : At.ClosingAwake,
                };
                break;
            case At.Sleeping when model.Clock:
                yield return model with { Clock = false, Supervisor = At.CheckingSleep };
                break;
        }
    }

    private static IEnumerable<Model> ThreadSteps(Model model)
    {
        switch (model.Thread)
        {
            case ThreadAt.Idle when model.Begun < Callbacks:
                // A plain write: the others see it later.
                yield return model with
                {
                    Written = model.Written.Begin(),
                    Begun = model.Begun + 1,
                    Thread = ThreadAt.ReadingWatch,
                };
                break;
            case ThreadAt.ReadingWatch:
                yield return model with { Thread = IsAsleep(model) ? ThreadAt.Rousing : ThreadAt.Running };
                break;
            case ThreadAt.Rousing:
                yield return WatchWord.Rouse(model.Watch) is { } roused
                    ? Drain(model) with { Watch = roused, IsRoused = true, Thread = ThreadAt.SettingClock }
                    : Drain(model) with { Thread = ThreadAt.Running };
                break;
            case ThreadAt.SettingClock:
                yield return model with { Clock = true, Thread = ThreadAt.AllowingWatch };
                break;
            case ThreadAt.AllowingWatch:
                yield return model with { MayWatch = true, Thread = ThreadAt.Running };
                break;
            case ThreadAt.Running when model.Begun < Callbacks || model.HasSeenLast:
                var ended = model with { Written = model.Written.End(), Thread = ThreadAt.Idle };
                yield return Drain(ended);
                break;
        }
    }

    private static IEnumerable<Model> LoopSteps(Model model, LoopAt at, Func<Model, LoopAt, Model> set)
    {
        switch (at)
        {
            case LoopAt.Working:
                yield return set(model, LoopAt.Done);
                if (model.Watch == WatchState.Open && model.MayWatch)
                {
                    yield return set(model, LoopAt.BeginningLook);
                }

                break;
            case LoopAt.BeginningLook:
                yield return WatchWord.BeginLook(model.Watch) is { } looking
                    ? set(Drain(model) with { Watch = looking }, LoopAt.CheckingTime)
                    : set(model, LoopAt.Done);
                break;
            case LoopAt.CheckingTime:
                yield return set(model, model.MayWatch ? LoopAt.Looking : LoopAt.EndingLook);
                break;
            case LoopAt.Looking:
                yield return IsKept(model)
                    ? set(model with { MayWatch = false }, LoopAt.EndingLook)
                    : set(model with { LastSeen = model.Activity, MayWatch = true }, LoopAt.SettingClock);
                break;
            case LoopAt.SettingClock:
                yield return set(model with { Clock = true }, LoopAt.EndingLook);
                break;
            case LoopAt.EndingLook:
                yield return set(Move(model, WatchWord.EndLook(model.Watch)), LoopAt.Done);
                break;
        }
    }

    /// <summary>When the loops have ended.</summary>
    private static IEnumerable<Model> StopSteps(Model model)
    {
        if (model is { Thread: ThreadAt.Idle, Begun: Callbacks, Loop1: LoopAt.Done, Loop2: LoopAt.Done })
        {
            if (!model.Stopping)
            {
                yield return model with { Stopping = true };
            }
            else if (!model.HasStopSetClock)
            {
                yield return model with { Clock = true, HasStopSetClock = true };
            }
        }
    }

    private static Model Look(Model model)
    {
        var isKept = IsKept(model);
        return model with
        {
            LastSeen = model.Activity,
            Runs = model.Activity.IsRunning,
            IsCalm = !isKept,
            HasSeenLast = model.HasSeenLast || (isKept && model.Begun == Callbacks && model.Activity == model.Written),
        };
    }

    private static bool IsAsleep(Model model) => model.Watch.HasFlag(WatchState.Asleep);

    private static bool MayEndSleep(Model model)
        => model.Supervisor != At.ClosingAwake || model.IsRoused || model.Stopping;

    private static bool HaveReturned(Model model) => model is { Thread: ThreadAt.Idle, Begun: Callbacks };

    private static bool IsKept(Model model) => model.Activity.IsRunning && model.Activity == model.LastSeen;

    private static Model Drain(Model model) => model with { Activity = model.Written };

    private static Model Move(Model model, WatchState? next)
    {
        Assert.NotNull(next);
        return model with { Watch = next.Value };
    }

    private static int NotesOwners(Model model)
    {
        var supervisor = model.Supervisor is At.Waiting or At.Closing or At.CheckingSleep
            or At.Sleeping or At.ClosingAwake or At.Ended ? 0 : 1;
        return supervisor + Owns(model.Loop1) + Owns(model.Loop2);

        static int Owns(LoopAt at)
            => at is LoopAt.CheckingTime or LoopAt.Looking or LoopAt.SettingClock or LoopAt.EndingLook ? 1 : 0;
    }

    /// <param name="Watch">The word.</param>
    /// <param name="Clock">Whether the clock is set: then a wait ends at some time.</param>
    /// <param name="MayWatch">Whether the time for a loop's look may come.</param>
    /// <param name="Written">The thread's activity, as it has written it.</param>
    /// <param name="Activity">The thread's activity, as the others see it.</param>
    /// <param name="LastSeen">The note.</param>
    /// <param name="Runs">Whether a callback ran at the supervisor's last look.</param>
    /// <param name="IsCalm">Whether none did that had run at the one before.</param>
    /// <param name="HasSeenLast">Whether the supervisor has seen the last callback twice.</param>
    /// <param name="IsRoused">Whether a thread has ended the sleep.</param>
    /// <param name="Begun">Callbacks that have begun.</param>
    /// <param name="Stopping">Whether the supervisor is to end.</param>
    /// <param name="HasStopSetClock">Whether whoever stops it has set the clock after that.</param>
    /// <param name="Supervisor">The supervisor's place.</param>
    /// <param name="Thread">The thread's place.</param>
    /// <param name="Loop1">A loop's place.</param>
    /// <param name="Loop2">The other loop's place.</param>
    private readonly record struct Model(
        WatchState Watch,
        bool Clock,
        bool MayWatch,
        ActivityState Written,
        ActivityState Activity,
        ActivityState LastSeen,
        bool Runs,
        bool IsCalm,
        bool HasSeenLast,
        bool IsRoused,
        int Begun,
        bool Stopping,
        bool HasStopSetClock,
        At Supervisor,
        ThreadAt Thread,
        LoopAt Loop1,
        LoopAt Loop2);
}
