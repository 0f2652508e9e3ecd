using KestrelEventLoopTransport.Loops.Timers;
using static KestrelEventLoopTransport.Tests.States.TimerModel;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>A timer that is set, moved and cancelled, in every order of its loop and two other threads.</summary>
[FailsOnStock("An internal class of ours.")]
public sealed class TimerStateTests
{
    private static readonly Operation[][] _programs =
    [
        [Operation.Set(1)],
        [Operation.Set(2), Operation.Set(1)],
        [Operation.Set(0), Operation.Set(2)],
        [Operation.Set(2), Operation.Set(Never), Operation.Set(1)],
        [Operation.Set(1), Operation.Cancel],
        [Operation.Cancel, Operation.Set(1), Operation.Set(2)],
    ];

    private static readonly Dictionary<string, TimerModel> _bugs = new()
    {
        ["the loop does not look again after it has filed"] = new() { LooksAgain = false },
        ["the loop misses a cancel that came while it filed"] = new() { SeesCancelAgain = false },
        ["a cancel leaves a timer that is looked at late"] = new() { CancelTakesBack = false },
        ["the end leaves a timer in its slot"] = new() { EndDrops = false },
        ["a timer that was posted is filed after the end"] = new() { FilesAfterEnd = true },
        ["the state is read before the time is written"] = new() { WritesBeforeItChecks = false },
        ["a thread claims and does not post"] = new() { Posts = false },
        ["a time that is earlier is only written down"] = new() { Set = static (state, _) => (state, false) },
        ["only a timer that is nowhere is claimed"] = new()
        {
            Set = static (state, due) => state == TimerState.Idle ? state.Set(due) : (state, false),
        },
        ["a claimed timer is claimed once more"] = new() { Set = static (_, _) => (TimerState.Claimed, true) },
        ["a slot takes a timer that is posted"] = new() { Take = static _ => (TimerState.Claimed, true) },
        ["a slot leaves a timer filed"] = new() { Take = static state => (state, false) },
        ["a timer fires too early"] = new() { Look = static (due, _) => (TimerDue.Firing, due != Never) },
        ["a timer that fires loses what is set just then"] = new() { FiresAtomically = false },
        ["what is set while a timer fires is lost"] = new() { EndFire = static (_, next) => next },
        ["what is set just when a timer has fired is lost"] = new() { EndsFireAtomically = false },
        ["what a timer asks for is lost"] = new()
        {
            EndFire = static (due, next) => due == TimerDue.Firing ? next : due,
        },
        ["a timer that is cancelled while it fires comes again"] = new()
        {
            EndFire = static (due, next) => due == TimerDue.Firing ? next : Math.Min(due, next),
        },
        ["a timer stays in its old slot"] = new() { RemovesBeforeItFiles = false },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Fact]
    public void A_timer_fires_when_it_is_due_and_is_looked_at_by_one_thread()
    {
        Assert.InRange(ExploreAll(new TimerModel()), 10_000, int.MaxValue);
    }

    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => ExploreAll(_bugs[bug]));

    [Fact]
    public void A_state_moves_as_it_says()
    {
        Assert.Equal((TimerState.Claimed, true), TimerState.Idle.Set(5));
        Assert.Equal((TimerState.Idle, false), TimerState.Idle.Set(Never));
        Assert.Equal((TimerState.File(5), false), TimerState.File(5).Set(5));
        Assert.Equal((TimerState.Claimed, true), TimerState.File(5).Set(4));
        Assert.Equal((TimerState.Claimed, false), TimerState.Claimed.Set(0));
        Assert.Equal((TimerState.Claimed, false), TimerState.Claimed.Take());
        Assert.Equal((TimerState.Idle, false), TimerState.Idle.Take());
        Assert.Equal((TimerState.Claimed, true), TimerState.File(0).Take());
    }

    /// <summary>Two threads; a thread and the loop's own code; the loop's end. Returns the number of states.</summary>
    private static int ExploreAll(TimerModel model)
    {
        var count = 0;
        foreach (var first in _programs)
        {
            foreach (var second in _programs)
            {
                count += model.Explore(first, second).Count;
                count += model.Explore(first, [], own: second).Count;
            }

            count += model.Explore(first, _programs[^2], own: _programs[^2], ends: true).Count;
        }

        return count;
    }
}
