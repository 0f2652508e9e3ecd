using KestrelEventLoopTransport.Listening;
using static KestrelEventLoopTransport.Listening.UntakenConnections;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The hold of an acceptor that the application is behind of, in every order of the two.</summary>
[FailsOnStock("An internal class of ours.")]
public sealed class UntakenConnectionsTests
{
    private const int Connections = 6;
    private const int Holding = 1;

    private static readonly Transitions _ours = new(Added, Removed, Held);

    private static readonly Dictionary<string, Transitions> _bugs = new()
    {
        ["a hold leaves no mark"] = _ours with { Hold = (word, max) => (word, Held(word, max).Holds) },
        ["a hold begins one too late"] = _ours with { Hold = (word, max) => Held(word, max + 1) },
        ["a hold is forgotten at its end"] = _ours with { Remove = (word, max) => (Removed(word, max).Next, false) },
        ["a hold does not end"] = _ours with { Remove = (word, max) => (word - 2, false) },
        ["a hold ends twice"] = _ours with { Remove = (word, max) => (word - 2, Removed(word, max).Resumes) },
        ["a removal is not counted"] = _ours with { Remove = (word, max) => (word, Removed(word, max).Resumes) },
        ["an addition is not counted"] = _ours with { Add = word => word },
        ["a removal drops the mark"] = _ours with { Remove = (word, max) => ((word - 2) & ~Holding, false) },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void No_hold_is_forgotten(int max)
        => Assert.InRange(Explore(_ours, max).Count, 2 * Connections, int.MaxValue);

    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => Explore(_bugs[bug], max: 3));

    [Fact]
    public void The_acceptor_holds_with_as_many_as_there_may_be_until_half_are_taken()
    {
        var untaken = new UntakenConnections(4);
        for (var i = 0; i < 4; i++)
        {
            Assert.False(untaken.TryHold(out _));
            untaken.Add();
        }

        Assert.True(untaken.TryHold(out _));
        Assert.False(untaken.Remove());
        Assert.True(untaken.Remove());
        Assert.False(untaken.Remove());
        Assert.False(untaken.TryHold(out _));
    }

    [Fact]
    public void An_acceptor_that_goes_on_before_the_half_is_not_resumed_again()
    {
        var untaken = new UntakenConnections(4);
        for (var i = 0; i < 4; i++)
        {
            untaken.Add();
        }

        Assert.True(untaken.TryHold(out _));
        Assert.False(untaken.Remove());
        Assert.False(untaken.TryHold(out _));
        Assert.False(untaken.Remove());
    }

    private static IReadOnlyCollection<Model> Explore(Transitions transitions, int max)
        => new Explorer<Model>()
            .Actor("acceptor", state => Accept(state, transitions, max))
            .Actor("application", state => Take(state, transitions, max))
            .Always("The word is legal", state => IsLegal(state.Word, max))
            .Always("No more wait than may", state => state.Queued <= max)
            .Always("A hold ends once", static state => state.Resumes <= 1)
            .Always("Only a hold ends", static state => state.Resumes == 0 || state.Acceptor == Place.OnHold)
            .AtTheEnd("All are taken", static state => state.Taken == Connections)
            .AtTheEnd("None is counted", static state => CountOf(state.Word) == 0)
            .Explore(new Model());

    private static IEnumerable<Model> Accept(Model state, Transitions transitions, int max)
    {
        switch (state.Acceptor)
        {
            case Place.Idle when state.Added == Connections:
                return [];
            case Place.Idle:
                var (next, holds) = transitions.Hold(state.Word, max);
                return [state with { Word = next, Acceptor = holds ? Place.OnHold : Place.Adding }];
            case Place.OnHold:
                return state.Resumes == 0 ? [] : [state with { Resumes = state.Resumes - 1, Acceptor = Place.Idle }];
            case Place.Adding:
                return [state with { Word = transitions.Add(state.Word), Acceptor = Place.Queueing }];
            default:
                return [state with { Queued = state.Queued + 1, Added = state.Added + 1, Acceptor = Place.Idle }];
        }
    }

    private static IEnumerable<Model> Take(Model state, Transitions transitions, int max)
    {
        if (!state.IsTaking)
        {
            return state.Queued == 0 ? [] : [state with { Queued = state.Queued - 1, IsTaking = true }];
        }

        var (next, resumes) = transitions.Remove(state.Word, max);
        var taken = state with { Word = next, Taken = state.Taken + 1, IsTaking = false };
        return [resumes ? taken with { Resumes = taken.Resumes + 1 } : taken];
    }

    private enum Place
    {
        Idle,
        OnHold,
        Adding,
        Queueing,
    }

    private readonly record struct Model(
        int Word, int Queued, int Added, int Taken, int Resumes, bool IsTaking, Place Acceptor);

    private sealed record Transitions(
        Func<int, int> Add,
        Func<int, int, (int Next, bool Resumes)> Remove,
        Func<int, int, (int Next, bool Holds)> Hold);
}
