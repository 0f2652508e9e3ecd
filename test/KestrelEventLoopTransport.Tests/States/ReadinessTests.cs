using KestrelEventLoopTransport.Descriptors;
using static KestrelEventLoopTransport.Descriptors.ReadinessFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The word that an acceptor has: each transition, and every order of those that make them.</summary>
[Trait("Contract", "loops")]
public sealed class ReadinessTests
{
    // Edges that the loop reports. Each brings one thing to take.
    private const int Edges = 2;

    private static readonly Dictionary<string, Moves> _bugs = new()
    {
        ["A call begins beside another"] = new()
        {
            TryBegin = static state => ReadinessTransitions.TryBeginCall(state & ~Busy, out var next) ? next : null,
        },
        ["A call begins after a stop"] = new()
        {
            TryBegin = static state => (state & (Ready | Busy)) == Ready ? (state & ~Ready) | Busy : null,
        },
        ["An edge is taken after the call"] = new()
        {
            TryBegin = static state => (state & (Ready | Busy | Stopped)) == Ready ? state | Busy : null,
            EndCall = static state => ReadinessTransitions.EndCall(state) & ~Ready,
        },
        ["The end of a call forgets to release"] = new() { EndCall = static state => state & ~Busy },
        ["A stop does not release"] = new() { Stop = static state => state | Stopped },
        ["A stop releases during a call"] = new() { Stop = static state => state | Stopped | Released },
    };

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Fact]
    public void No_edge_is_lost_and_the_descriptor_is_released_once_in_any_order() => Explore(new Moves());

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => Explore(_bugs[bug]));

    [Fact]
    public void The_legal_states_are_those_that_can_be_reached()
    {
        var reached = Explore(new Moves()).Select(static state => state.Flags).Distinct().Order();
        var states = Enumerable.Range(0, 16).Select(static bits => (ReadinessFlags)bits);

        Assert.Equal(states.Where(ReadinessTransitions.IsLegal), reached);
    }

    [Fact]
    public void A_stop_during_a_call_leaves_the_descriptor_to_the_caller()
    {
        var readiness = default(Readiness);
        readiness.SetReady();
        Assert.True(readiness.TryBeginCall());

        Assert.False(readiness.Stop());
        Assert.False(readiness.Has(Released));

        Assert.True(readiness.EndCall(more: true));
        Assert.True(readiness.Has(Released));
        Assert.False(readiness.TryBeginCall());
    }

    [Fact]
    public void A_stop_without_a_call_releases_once()
    {
        var readiness = default(Readiness);

        Assert.True(readiness.Stop());
        Assert.False(readiness.Stop());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_call_is_made_for_an_edge_and_another_if_there_is_more(bool more)
    {
        var readiness = default(Readiness);
        Assert.False(readiness.TryBeginCall());
        readiness.SetReady();

        Assert.True(readiness.TryBeginCall());
        Assert.False(readiness.EndCall(more));

        Assert.Equal(more, readiness.TryBeginCall());
    }

    private static IReadOnlyCollection<Model> Explore(Moves moves)
        => new Explorer<Model>()
            .Actor("loop", Bring)
            .Actor("a", state => Call(state, state.A, (state, place) => state with { A = place }, moves))
            .Actor("b", state => Call(state, state.B, (state, place) => state with { B = place }, moves))
            .Actor("closers", state => state.Stops < 2 ? [Stop(state, moves)] : [])
            .Always("The word is legal", static state => ReadinessTransitions.IsLegal(state.Flags))
            .Always(
                "One thread is inside a call at most",
                static state => state.A == Place.Outside || state.B == Place.Outside)
            .Always("A released descriptor is not used", static state => !state.HasMisused)
            .Always("It is released once", static state => state.Releases <= 1)
            .Always(
                "An edge is answered or known",
                static state => state.Brought == state.Taken || (state.Flags & (Ready | Busy | Stopped)) != 0)
            .AtTheEnd("It is released", static state => state.Releases == 1)
            .Explore(default);

    private static IEnumerable<Model> Bring(Model state)
        => state.Brought < Edges ? [state with { Brought = state.Brought + 1, Flags = state.Flags | Ready }] : [];

    private static Model Stop(Model state, Moves moves)
        => Move(state with { Stops = state.Stops + 1 }, moves.Stop(state.Flags));

    private static IEnumerable<Model> Call(Model state, Place place, Func<Model, Place, Model> at, Moves moves)
        => place switch
        {
            Place.Outside when moves.TryBegin(state.Flags) is { } begun
                => [at(state with { Flags = begun }, Place.Begun)],
            Place.Outside => [],
            Place.Begun => [at(state with { Taken = state.Brought, HasMisused = state.Releases > 0 }, Place.Called)],
            _ => [at(Move(state, moves.EndCall(state.Flags)), Place.Outside)],
        };

    private static Model Move(Model state, ReadinessFlags flags) => state with
    {
        Flags = flags,
        Releases = state.Releases + ((flags & ~state.Flags & Released) != 0 ? 1 : 0),
    };

    private enum Place
    {
        Outside,
        Begun,
        Called,
    }

    private readonly record struct Model(
        ReadinessFlags Flags, int Brought, int Taken, Place A, Place B, int Stops, int Releases, bool HasMisused);

    private sealed record Moves
    {
        public Func<ReadinessFlags, ReadinessFlags?> TryBegin { get; init; }
            = static state => ReadinessTransitions.TryBeginCall(state, out var next) ? next : null;

        public Func<ReadinessFlags, ReadinessFlags> EndCall { get; init; } = ReadinessTransitions.EndCall;

        public Func<ReadinessFlags, ReadinessFlags> Stop { get; init; } = ReadinessTransitions.Stop;
    }
}
