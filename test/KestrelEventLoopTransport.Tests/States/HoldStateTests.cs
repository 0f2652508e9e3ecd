using KestrelEventLoopTransport.Listening;
using static KestrelEventLoopTransport.Listening.HoldState;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Two acceptors that are short of descriptors, connections that are closed and an acceptor that stops, in every order,
/// with one tick of the timer at most: no descriptor stays free while a client waits. The steps between the transitions
/// are those of <see cref="AcceptHold"/>, <see cref="DescriptorWaiters"/> and <see cref="Acceptor"/>.
/// </summary>
[FailsOnStock("An internal class of ours.")]
public sealed class HoldStateTests
{
    private static readonly Transitions _ours = new(WithDescriptorAwaited, WithPause, WithDescriptor);

    private static readonly Dictionary<string, Transitions> _bugs = new()
    {
        ["a pause is not looked at again"] = _ours with { Pause = state => (state | State.Paused, true) },
        ["a pause begins and says no"] = _ours with { Pause = state => (WithPause(state).Next, false) },
        ["a descriptor leaves the pause"] = _ours with { Free = state => (state & ~State.AwaitsDescriptor, false) },
        ["a descriptor leaves the acceptor in the queue"]
            = _ours with { Free = state => (state & ~State.Paused, false) },
        ["no second try after joining"] = _ours with { TriesAgain = false },
        ["an acceptor joins twice"] = _ours with { Await = state => (state | State.AwaitsDescriptor, true) },
        ["an acceptor does not join"] = _ours with { Await = state => (state | State.AwaitsDescriptor, false) },
        ["a stopped acceptor keeps the wake"] = _ours with { StoppedPassesOn = false },
        ["an acceptor without clients keeps the wake"] = _ours with { IdlePassesOn = false },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Fact]
    public void No_descriptor_is_forgotten() => Assert.InRange(Explore(_ours), 1000, int.MaxValue);

    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => Explore(_bugs[bug]));

    [Fact]
    public void Every_transition_of_every_legal_state_leads_to_a_legal_state()
    {
        var legal = Enumerable.Range(0, 8).Select(static word => (State)word).Where(IsLegal).ToList();
        Assert.Equal(6, legal.Count);
        Func<State, (State Next, bool)>[] transitions =
            [WithDescriptorAwaited, WithPause, WithDescriptor, WithoutPause, WithRoomAwaited, WithRoom];
        Assert.All(legal, state => Assert.All(transitions, transition => Assert.True(IsLegal(transition(state).Next))));
    }

    [Fact]
    public void The_wait_for_room_and_the_pause_do_not_touch_each_other()
    {
        var hold = new HoldState();
        Assert.True(hold.TryAwaitRoom());
        Assert.False(hold.TryAwaitRoom());
        Assert.False(hold.TryPause());
        Assert.True(hold.TryAwaitDescriptor());
        Assert.True(hold.TryPause());

        hold.EndRoomWait();
        Assert.True(hold.IsPaused);
        Assert.True(hold.TryAwaitRoom());

        hold.EndPause();
        Assert.False(hold.IsPaused);
        Assert.False(hold.TryAwaitDescriptor());

        hold.EndDescriptorWait();
        Assert.True(hold.TryAwaitDescriptor());
        Assert.False(hold.TryAwaitRoom());
    }

    private static int Explore(Transitions transitions)
        => Explore(transitions, stops: true).Count + Explore(transitions, stops: false).Count;

    private static IReadOnlyCollection<Model> Explore(Transitions transitions, bool stops)
        => new Explorer<Model>()
            .Actor("acceptor 1", state => Accept(state, transitions, 0))
            .Actor("acceptor 2", state => Accept(state, transitions, 1))
            .Actor(
                "connection 1",
                state => Close(state, transitions, state.Closer, static (s, waker) => s with { Closer = waker }))
            .Actor(
                "connection 2",
                state => Close(state, transitions, state.OtherCloser, static (s, own) => s with { OtherCloser = own }))
            .Actor("timer", FreeElsewhere)
            .Actor("stop", state => stops ? Stop(state, transitions) : [])
            .Always("The words are legal", static state => IsLegal(state.First.Word) && IsLegal(state.Second.Word))
            .Always(
                "An acceptor is in the queue once",
                static state => state.Queue.Distinct().Count() == state.Queue.Length)
            .AtTheEnd(
                "No client of an acceptor that has not stopped waits while a descriptor is free",
                static state => state.Free == 0 || (!IsLeft(state.First) && !IsLeft(state.Second)))
            .AtTheEnd("A paused acceptor has a timer", static state => HasTimer(state.First) && HasTimer(state.Second))
            .Explore(new Model(
                new Acceptor(State.None, Place.Idle, IsReady: true, IsStopped: false, HasTimer: false, Clients: 1),
                new Acceptor(State.None, Place.Idle, IsReady: true, IsStopped: false, HasTimer: false, Clients: 3),
                new Waker(Place.Start),
                new Waker(Place.Start),
                new Waker(Place.Start),
                Free: 0,
                IsFreedElsewhere: false,
                Queue: ""));

    private static bool HasTimer(Acceptor acceptor) => (acceptor.Word & State.Paused) == 0 || acceptor.HasTimer;

    private static bool IsLeft(Acceptor acceptor) => acceptor is { IsStopped: false, Clients: > 0 };

    // Acceptor.Run and AcceptOnce, AcceptHold.OnShortage.
    private static IEnumerable<Model> Accept(Model state, Transitions transitions, int index)
    {
        var own = state.At(index);
        Model With(Acceptor next) => state.With(index, next);
        Model At(Model next, Place place) => next.With(index, next.At(index) with { Place = place });
        switch (own.Place)
        {
            case Place.Idle:
                var then = (own.Word & State.Paused) != 0 ? Place.Idle : Place.Accept;
                return !own.IsReady || own.IsStopped ? [] : [With(own with { IsReady = false, Place = then })];
            case Place.Accept when own.Clients == 0:
                return [With(own with { Place = Place.PassOn })];
            case Place.Accept when state.Free > 0:
                // The accepted connection keeps the descriptor.
                var accepted = own with { Clients = own.Clients - 1, IsReady = true, Place = Place.Idle };
                return [With(accepted) with { Free = state.Free - 1 }];
            case Place.Accept:
                var (awaits, joins) = transitions.Await(own.Word);
                return [With(own with { Word = awaits, Place = joins ? Place.Join : Place.Pause })];
            case Place.Join:
                var joined = own with { IsReady = own.IsReady || transitions.TriesAgain, Place = Place.Idle };
                return [With(joined) with { Queue = state.Queue + index }];
            case Place.Pause:
                var (paused, pauses) = transitions.Pause(own.Word);
                return [With(own with { Word = paused, HasTimer = own.HasTimer || pauses, Place = Place.PassOn })];
            case Place.PassOn:
                var passes = transitions.IdlePassesOn && (own.Word & State.Paused) == 0;
                return [With(own with { Place = passes ? Place.Wake : Place.Idle })];
            default:
                return Wake(state, transitions, own.Place, At, Place.Idle);
        }
    }

    // DescriptorWaiters.WakeNext and Acceptor.OnDescriptorFree.
    private static IEnumerable<Model> Wake(
        Model state, Transitions transitions, Place place, Func<Model, Place, Model> at, Place then)
    {
        if (place == Place.Wake)
        {
            return state.Queue.Length == 0
                ? [at(state, then)]
                : [at(
                    state with { Queue = state.Queue[1..] },
                    state.Queue[0] == '0' ? Place.WakeFirst : Place.WakeSecond)];
        }

        var index = place is Place.WakeFirst or Place.GoOnFirst ? 0 : 1;
        var woken = state.At(index);
        if (place is Place.WakeFirst or Place.WakeSecond)
        {
            var (word, _) = transitions.Free(woken.Word);
            var next = state.With(index, woken with { Word = word });
            return [at(next, index == 0 ? Place.GoOnFirst : Place.GoOnSecond)];
        }

        return woken.IsStopped && transitions.StoppedPassesOn
            ? [at(state, Place.Wake)]
            : [at(state.With(index, woken with { IsReady = true }), then)];
    }

    // A connection that is open from the beginning is closed.
    private static IEnumerable<Model> Close(
        Model state, Transitions transitions, Waker own, Func<Model, Waker, Model> set)
        => own.Place switch
        {
            Place.Start => [set(state with { Free = state.Free + 1 }, new(Place.Wake))],
            Place.Ended => [],
            _ => Wake(state, transitions, own.Place, (s, place) => set(s, new(place)), Place.Ended),
        };

    // Another part of the process frees a descriptor and wakes nothing: the timer of the first acceptor finds it.
    private static IEnumerable<Model> FreeElsewhere(Model state)
        => state.IsFreedElsewhere || state.First.IsStopped || (state.First.Word & State.Paused) == 0
            ? []
            : [
                state with
                {
                    Free = state.Free + 1,
                    IsFreedElsewhere = true,
                    First = state.First with { Word = WithoutPause(state.First.Word).Next, IsReady = true },
                },
            ];

    // The first acceptor stops; its listening socket is closed and frees a descriptor.
    private static IEnumerable<Model> Stop(Model state, Transitions transitions)
        => state.Stopper.Place switch
        {
            Place.Start
                => [state with { First = state.First with { IsStopped = true }, Stopper = new(Place.Released) }],
            Place.Released when state.First.Place != Place.Idle => [],
            Place.Released => [state with { Free = state.Free + 1, Stopper = new(Place.Wake) }],
            Place.Ended => [],
            var at => Wake(state, transitions, at, static (s, place) => s with { Stopper = new(place) }, Place.Ended),
        };

    private enum Place
    {
        Idle,
        Accept,
        Join,
        Pause,
        PassOn,
        Start,
        Released,
        Wake,
        WakeFirst,
        WakeSecond,
        GoOnFirst,
        GoOnSecond,
        Ended,
    }

    private readonly record struct Acceptor(
        State Word, Place Place, bool IsReady, bool IsStopped, bool HasTimer, int Clients);

    private readonly record struct Waker(Place Place);

    private readonly record struct Model(
        Acceptor First,
        Acceptor Second,
        Waker Closer,
        Waker OtherCloser,
        Waker Stopper,
        int Free,
        bool IsFreedElsewhere,
        string Queue)
    {
        internal Acceptor At(int index) => index == 0 ? First : Second;

        internal Model With(int index, Acceptor acceptor)
            => index == 0 ? this with { First = acceptor } : this with { Second = acceptor };
    }

    private sealed record Transitions(
        Func<State, (State Next, bool Joins)> Await,
        Func<State, (State Next, bool Pauses)> Pause,
        Func<State, (State Next, bool WasPaused)> Free)
    {
        public bool TriesAgain { get; init; } = true;

        public bool StoppedPassesOn { get; init; } = true;

        public bool IdlePassesOn { get; init; } = true;
    }
}
