using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A callback that flushes the output of another connection, and then returns or never does, and a supervisor: all
/// orders of what they do. <see cref="ThreadActivity.Corked"/> is where they meet.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class CorkedOutputStateTests
{
    private const int Flushes = 2;

    public enum Bug
    {
        None,

        /// <summary>A flush does not look whether the thread has lost its loop.</summary>
        ForgetsToLook,

        /// <summary>A flush looks before it defers.</summary>
        LooksEarly,

        /// <summary>The supervisor does not send once more after it has taken the loop.</summary>
        TakesInSilence,

        /// <summary>The supervisor does not know of the output.</summary>
        OverlooksOutput,

        /// <summary>The end of the callback does not send.</summary>
        ReturnsInSilence,
    }

    private enum At
    {
        Runs,
        LooksEarly,
        Defers,
        Looks,
        Ends,
        Uncorks,
        IsDone,

        /// <summary>The callback never returns.</summary>
        IsBlocked,
    }

    private enum Step
    {
        Looks,
        ReadsOutput,
        Uncorks,
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_flushed_is_sent_whether_or_not_the_callback_returns(bool handsOff)
    {
        var states = Explore(handsOff, Bug.None);

        Assert.Contains(states, static state => state is { Thread: At.IsBlocked, Flushed: Flushes });
        Assert.Equal(handsOff, states.Any(static state => state is { Thread: At.IsDone, Word.IsStuck: true }));
    }

    [Theory]
    [InlineData(Bug.ForgetsToLook)]
    [InlineData(Bug.LooksEarly)]
    [InlineData(Bug.TakesInSilence)]
    [InlineData(Bug.OverlooksOutput)]
    [InlineData(Bug.ReturnsInSilence)]
    public void Every_planted_bug_is_found(Bug bug)
        => Assert.Throws<IllegalStateException>(() => Explore(handsOff: true, bug));

    private static IReadOnlyList<State> Explore(bool handsOff, Bug bug) => new Explorer<State>()
        .Actor("thread", state => ThreadSteps(state, bug))
        .Actor("supervisor", state => SupervisorSteps(state, handsOff, bug))
        .Always("What is deferred can be found", static state => !state.IsDeferred || state.IsCorked
            || state.Thread == At.Uncorks)
        .AtTheEnd("Nothing is left", static state => !state.IsDeferred)
        .AlwaysEnds()
        .Explore(new State { Word = default(ActivityState).Begin() });

    private static IEnumerable<State> ThreadSteps(State state, Bug bug)
    {
        switch (state.Thread)
        {
            case At.Runs:
                yield return state with { Thread = At.IsBlocked };
                yield return state with { Thread = At.Ends };
                if (state.Flushed < Flushes)
                {
                    // ThreadActivity.TryCork.
                    var next = bug == Bug.LooksEarly ? At.LooksEarly : At.Defers;
                    yield return state with { IsCorked = true, Flushed = state.Flushed + 1, Thread = next };
                }

                break;
            case At.LooksEarly:
                yield return state with { WasStuck = state.Word.IsStuck, Thread = At.Defers };
                break;
            case At.Defers:
                yield return state with { IsDeferred = true, Thread = At.Looks };
                break;
            case At.Looks:
                var isStuck = bug switch
                {
                    Bug.ForgetsToLook => false,
                    Bug.LooksEarly => state.WasStuck,
                    _ => state.Word.IsStuck,
                };
                yield return state with { IsDeferred = state.IsDeferred && !isStuck, Thread = At.Runs };
                break;
            case At.Ends:
                // ThreadActivity.Exit: the word first, and then the output is taken out.
                var word = state.Word.IsStuck ? state.Word : state.Word.End();
                yield return state with { Word = word, IsCorked = false, Thread = At.Uncorks };
                break;
            case At.Uncorks:
                var isLeft = state.IsDeferred && bug == Bug.ReturnsInSilence;
                yield return state with { IsDeferred = isLeft, Thread = At.IsDone };
                break;
        }
    }

    private static IEnumerable<State> SupervisorSteps(State state, bool handsOff, Bug bug)
    {
        switch (state.Supervisor)
        {
            case Step.Looks when state.Word.IsRunning:
                // At most once per threshold, for as long as the callback runs.
                if (state.IsDeferred && bug != Bug.OverlooksOutput)
                {
                    yield return state with { Supervisor = Step.ReadsOutput };
                }

                if (handsOff)
                {
                    var next = bug is Bug.TakesInSilence or Bug.OverlooksOutput ? Step.Looks : Step.ReadsOutput;
                    yield return state with { Word = state.Word.Take(), Supervisor = next };
                }

                break;
            case Step.ReadsOutput:
                yield return state with { Supervisor = state.IsCorked ? Step.Uncorks : Step.Looks };
                break;
            case Step.Uncorks:
                yield return state with { IsDeferred = false, Supervisor = Step.Looks };
                break;
        }
    }

    /// <summary>
    /// The callback and its word; the output that waits for its end, whether it has anything deferred; the supervisor.
    /// </summary>
    private readonly record struct State(
        At Thread, ActivityState Word, int Flushed, bool WasStuck, bool IsCorked, bool IsDeferred, Step Supervisor);
}
