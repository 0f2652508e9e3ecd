using KestrelEventLoopTransport.Dialing;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>A stream's operations and its disposal in every order: one thread closes, at the end.</summary>
[FailsOnStock("An internal class of ours.")]
public sealed class StreamUseTests
{
    private static readonly Transitions _ours = new(StreamUse.Enter, StreamUse.Leave, StreamUse.Dispose);

    private static readonly Dictionary<string, Transitions> _bugs = new()
    {
        ["an operation begins after the end"] = _ours with { Enter = static word => (word + 1, true) },
        ["an operation is not counted"] = _ours with { Enter = static word => (word, StreamUse.Enter(word).IsEntered) },
        ["the last operation forgets to close"] = _ours with { Leave = static word => (word - 1, false) },
        ["every operation closes"]
            = _ours with { Leave = static word => (word - 1, (word & StreamUse.Disposed) != 0) },
        ["a second disposal closes too"]
            = _ours with { Dispose = static word => (word | StreamUse.Disposed, true) },
        ["disposal forgets the operations"] = _ours with { Dispose = static _ => (StreamUse.Disposed, true) },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Fact]
    public void One_thread_closes_when_nothing_goes_on_any_more()
        => Assert.InRange(Explore(_ours).Count, 20, int.MaxValue);

    // In a Debug build an assertion of the transitions may find it first.
    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.ThrowsAny<Exception>(() => Explore(_bugs[bug]));

    private static IReadOnlyList<Model> Explore(Transitions transitions)
        => new Explorer<Model>()
            .Actor("reader", s => Operate(s, transitions, s.Reader, static (s, at) => s with { Reader = at }))
            .Actor("writer", s => Operate(s, transitions, s.Writer, static (s, at) => s with { Writer = at }))
            .Actor("first disposal", s => Dispose(s, transitions, s.First, static s => s with { First = true }))
            .Actor("second disposal", s => Dispose(s, transitions, s.Second, static s => s with { Second = true }))
            .Always("The connection is closed once", static state => state.Closes <= 1)
            .Always(
                "Nothing goes on when it is closed",
                static state => state.Closes == 0 || (state.Reader != Place.Inside && state.Writer != Place.Inside))
            .AtTheEnd("It is closed", static state => state.Closes == 1)
            .Explore(new Model());

    private static IEnumerable<Model> Operate(
        Model state, Transitions transitions, Place place, Func<Model, Place, Model> move)
    {
        if (place == Place.Before)
        {
            var (next, isEntered) = transitions.Enter(state.Word);
            yield return move(state with { Word = next }, isEntered ? Place.Inside : Place.Done);
        }
        else if (place == Place.Inside)
        {
            var (next, closes) = transitions.Leave(state.Word);
            yield return move(state with { Word = next, Closes = state.Closes + (closes ? 1 : 0) }, Place.Done);
        }
    }

    private static IEnumerable<Model> Dispose(
        Model state, Transitions transitions, bool isDone, Func<Model, Model> finish)
    {
        if (!isDone)
        {
            var (next, isFirst) = transitions.Dispose(state.Word);
            var closes = isFirst && next == StreamUse.Disposed;
            yield return finish(state with { Word = next, Closes = state.Closes + (closes ? 1 : 0) });
        }
    }

    private enum Place
    {
        Before,
        Inside,
        Done,
    }

    private sealed record Transitions(
        Func<int, (int Next, bool IsEntered)> Enter,
        Func<int, (int Next, bool Closes)> Leave,
        Func<int, (int Next, bool IsFirst)> Dispose);

    private readonly record struct Model(
        int Word, Place Reader, Place Writer, bool First, bool Second, int Closes);
}
