using KestrelEventLoopTransport.Loops.Adaptive;
using static KestrelEventLoopTransport.Tests.States.SupervisorModel;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps of the supervisor and of those around it.</summary>
/// <param name="isMovable">Whether the clock can be moved, so that loops may look.</param>
/// <param name="fault">What one of them does wrong.</param>
internal sealed class SupervisorActors(bool isMovable, SupervisorFault fault)
{
    /// <summary>
    /// Visits all orders. The first callback may return at any time. The second returns only when the supervisor has
    /// seen it twice, as one that blocks.
    /// </summary>
    internal IReadOnlyCollection<SupervisorModel> Explore()
        => new Explorer<SupervisorModel>()
            .Actor("supervisor", SupervisorSteps)
            .Actor("thread", ThreadSteps)
            .Actor("memory", static model => model.Written == model.Activity ? [] : [model.Drain()])
            .Actor("loop 1", model => LoopSteps(model, model.Loop1, static (m, at) => m with { Loop1 = at }))
            .Actor("loop 2", model => LoopSteps(model, model.Loop2, static (m, at) => m with { Loop2 = at }))
            .Actor("stop", StopSteps)
            .Always("States are legal", static model => WatchWord.IsLegal(model.Watch))
            .Always("The notes have one owner", static model => model.NotesOwners <= 1)
            .Always("It sleeps without an end only until it is armed", IsWaitedFor)
            .AtTheEnd("All callbacks have returned", static model => model.HaveReturned)
            .AtTheEnd("The supervisor has ended", static model => model.Supervisor == SupervisorAt.Ended)
            .AtTheEnd("The loops go on", static model => model is { Loop1: LoopAt.Done, Loop2: LoopAt.Done })
            .Explore(default(SupervisorModel) with { IsCalm = true });

    private static bool IsWaitedFor(SupervisorModel model)
        => model.Supervisor != SupervisorAt.Disarming || model.IsArmed || model.Stopping;

    private IEnumerable<SupervisorModel> SupervisorSteps(SupervisorModel model)
        => model.Supervisor < SupervisorAt.FallingDrowsy ? AwakeSteps(model) : DrowsySteps(model);

    private IEnumerable<SupervisorModel> AwakeSteps(SupervisorModel model)
    {
        switch (model.Supervisor)
        {
            case SupervisorAt.BeginningTick:
                yield return model.IsCalm && isMovable
                    ? model with { Clock = true, MayWatch = true, Supervisor = SupervisorAt.Opening }
                    : model with { Supervisor = SupervisorAt.Looking };
                break;
            case SupervisorAt.Opening:
                yield return model.Move(WatchWord.Open(model.Watch)) with { Supervisor = SupervisorAt.Waiting };
                break;
            case SupervisorAt.Waiting when model.Clock:
                yield return model with { Clock = false, Supervisor = SupervisorAt.Closing };
                break;
            case SupervisorAt.Closing when Close(model.Watch) is { } closed:
                yield return model with { Watch = closed, Supervisor = SupervisorAt.Looking };
                break;
            case SupervisorAt.Looking:
                var looked = model.Look();
                yield return looked with
                {
                    Supervisor = looked.Runs && !model.Stopping
                        ? SupervisorAt.BeginningTick
                        : SupervisorAt.FallingDrowsy,
                };
                break;
        }
    }

    private IEnumerable<SupervisorModel> DrowsySteps(SupervisorModel model)
    {
        switch (model.Supervisor)
        {
            case SupervisorAt.FallingDrowsy:
                var drowsy = model.Move(WatchWord.FallDrowsy(model.Watch));
                yield return drowsy with { Supervisor = SupervisorAt.MakingVisible };
                break;
            case SupervisorAt.MakingVisible:
                var visible = fault == SupervisorFault.NoBarrier ? model : model.Drain();
                yield return visible with { Supervisor = SupervisorAt.Deciding };
                break;
            case SupervisorAt.Deciding:
                yield return model with
                {
                    Supervisor = model.Stopping ? SupervisorAt.WakingUp
                        : fault == SupervisorFault.LookBeforeDisarm ? SupervisorAt.LookingDrowsy
                        : SupervisorAt.Disarming,
                };
                break;
            case SupervisorAt.Disarming:
                var disarmed = fault == SupervisorFault.NoDisarm ? model : model.Move(WatchWord.Disarm(model.Watch));
                yield return disarmed with { Supervisor = SupervisorAt.LookingDrowsy };
                break;
            case SupervisorAt.LookingDrowsy:
                var looked = model.Look();
                yield return looked with
                {
                    Supervisor = fault == SupervisorFault.LookBeforeDisarm
                        ? SupervisorAt.DisarmingTooLate
                        : SupervisorAt.ChoosingRest,
                };

                // Enough may have begun.
                if (fault != SupervisorFault.LookBeforeDisarm)
                {
                    yield return looked with { Supervisor = SupervisorAt.WakingUp };
                }

                break;
            case SupervisorAt.DisarmingTooLate:
                var late = model.Move(WatchWord.Disarm(model.Watch));
                yield return late with { Supervisor = SupervisorAt.ChoosingRest };
                break;
            case SupervisorAt.ChoosingRest:
                yield return model with { Supervisor = SupervisorAt.Arming };
                if (!model.Runs || fault == SupervisorFault.SleepAlthoughRunning)
                {
                    yield return model with { Supervisor = SupervisorAt.RestingUntilArmed };
                }

                break;
            case SupervisorAt.Arming:
                yield return WatchWord.Arm(model.Watch) is { } armed
                    ? model with { Watch = armed, Supervisor = SupervisorAt.Resting }
                    : model with { Supervisor = SupervisorAt.Deciding };
                break;
            case SupervisorAt.Resting:
                yield return model with
                {
                    Supervisor = fault == SupervisorFault.NoLookAfterRest
                        ? SupervisorAt.RestingUntilArmed
                        : SupervisorAt.Deciding,
                };
                break;
            case SupervisorAt.RestingUntilArmed when model.Clock:
                yield return model with { Clock = false, Supervisor = SupervisorAt.CheckingArmed };
                break;
            case SupervisorAt.CheckingArmed:
                yield return model with
                {
                    Supervisor = model.IsArmed || model.Stopping
                        ? SupervisorAt.Deciding
                        : SupervisorAt.RestingUntilArmed,
                };
                break;
            case SupervisorAt.WakingUp:
                yield return model.Move(WatchWord.WakeUp(model.Watch)) with
                {
                    Supervisor = model.Stopping ? SupervisorAt.Ended : SupervisorAt.BeginningTick,
                };
                break;
        }
    }

    private IEnumerable<SupervisorModel> ThreadSteps(SupervisorModel model)
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
                yield return model with { Thread = model.IsDrowsy ? ThreadAt.Fencing : ThreadAt.Running };
                break;
            case ThreadAt.Fencing:
                var fenced = fault == SupervisorFault.NoFence ? model : model.Drain();
                yield return fenced with { Thread = ThreadAt.Arming };
                break;
            case ThreadAt.Arming:
                var setting = fault == SupervisorFault.ArmWithoutClock ? ThreadAt.Running : ThreadAt.SettingClock;
                yield return WatchWord.Arm(model.Watch) is { } armed
                    ? model.Drain() with { Watch = armed, Thread = setting }
                    : model with { Thread = ThreadAt.Running };
                break;
            case ThreadAt.SettingClock:
                yield return model with { Clock = true, Thread = ThreadAt.Running };
                break;
            case ThreadAt.Running when model.Begun < Callbacks || model.HasSeenLast:
                var ended = model with { Written = model.Written.End(), Thread = ThreadAt.Idle };
                yield return ended.Drain();
                break;
        }
    }

    private IEnumerable<SupervisorModel> LoopSteps(
        SupervisorModel model, LoopAt at, Func<SupervisorModel, LoopAt, SupervisorModel> set)
    {
        switch (at)
        {
            case LoopAt.Working:
                yield return set(model, LoopAt.Done);
                if (BeginLook(model.Watch) is not null && model.MayWatch)
                {
                    yield return set(model, LoopAt.BeginningLook);
                }

                break;
            case LoopAt.BeginningLook:
                yield return BeginLook(model.Watch) is { } looking
                    ? set(model.Drain() with { Watch = looking }, LoopAt.CheckingTime)
                    : set(model, LoopAt.Done);
                break;
            case LoopAt.CheckingTime:
                yield return set(model, model.MayWatch ? LoopAt.Looking : LoopAt.EndingLook);
                break;
            case LoopAt.Looking:
                yield return model.IsKept
                    ? set(model with { MayWatch = false }, LoopAt.EndingLook)
                    : set(model with { LastSeen = model.Activity, MayWatch = true }, LoopAt.SettingClock);
                break;
            case LoopAt.SettingClock:
                yield return set(model with { Clock = true }, LoopAt.EndingLook);
                break;
            case LoopAt.EndingLook:
                yield return set(model.Move(WatchWord.EndLook(model.Watch)), LoopAt.Done);
                break;
        }
    }

    /// <summary>When the loops have ended.</summary>
    private IEnumerable<SupervisorModel> StopSteps(SupervisorModel model)
    {
        if (model.HaveReturned && model is { Loop1: LoopAt.Done, Loop2: LoopAt.Done })
        {
            if (!model.Stopping)
            {
                yield return model with { Stopping = true };
            }
            else if (!model.HasStopSetClock && fault != SupervisorFault.StopWithoutClock)
            {
                yield return model with { Clock = true, HasStopSetClock = true };
            }
        }
    }

    private WatchState? BeginLook(WatchState state)
        => fault == SupervisorFault.LoopLooksWhileDrowsy && state == WatchState.Drowsy
            ? WatchState.Looking
            : WatchWord.BeginLook(state);

    private WatchState? Close(WatchState state)
        => fault == SupervisorFault.CloseWhileLooking && state == WatchState.Looking
            ? WatchState.Awake
            : WatchWord.Close(state);
}
