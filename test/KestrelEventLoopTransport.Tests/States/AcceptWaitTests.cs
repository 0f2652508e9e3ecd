using KestrelEventLoopTransport.Listening;
using static KestrelEventLoopTransport.Listening.AcceptWait;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The wait of the accept queue in every order of two acceptors, the application, its token and the end. The steps
/// between the transitions are those of <see cref="AcceptQueue"/>.
/// </summary>
[FailsOnStock("An internal class of ours.")]
public sealed class AcceptWaitTests
{
    private static readonly Transitions _ours = new(WithWait, WithClaim, WithCancel, WithComplete, WithoutCanceled);

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    private static readonly Dictionary<string, Transitions> _bugs = new()
    {
        ["a claim leaves the wait"] = _ours with { Claim = state => (state, state == State.Waiting) },
        ["a token leaves the wait"] = _ours with { Cancel = state => (state | State.Canceled, state == State.Waiting) },
        ["a token wakes nothing"] = _ours with { Cancel = state => (WithCancel(state).Next, false) },
        ["the end wakes nothing"] = _ours with { Complete = state => (WithComplete(state).Next, false) },
        ["the end is forgotten"] = _ours with { Complete = state => (state & ~State.Waiting, state == State.Waiting) },
        ["a wait begins after the end"] = _ours with { Wait = state => (state | State.Waiting, true) },
        ["a wait begins and says no"] = _ours with { Wait = state => (WithWait(state).Next, false) },
        ["the token's bit stays"] = _ours with { TakeCanceled = state => (state, (state & State.Canceled) != 0) },
        ["the end's bit goes with the token's"]
            = _ours with { TakeCanceled = state => (State.None, WithoutCanceled(state).WasCanceled) },
        ["no second look before the wait"] = _ours with { LooksAgainAfterWait = false },
        ["no second look after a claim"] = _ours with { LooksAgainAfterClaim = false },
    };

    [Fact]
    public void No_connection_is_lost_and_every_accept_completes_once()
    {
        var states = Explore(_ours, stops: true).Concat(Explore(_ours, stops: false)).ToList();

        Assert.InRange(states.Count, 1000, int.MaxValue);
        Assert.Equal(
            [State.None, State.Waiting, State.Canceled, State.Completed, State.Canceled | State.Completed],
            states.Select(static state => state.Word).Distinct().Order());
    }

    // In a Debug build an assertion of the transitions may find it first.
    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.ThrowsAny<Exception>(() =>
        {
            Explore(_bugs[bug], stops: true);
            Explore(_bugs[bug], stops: false);
        });

    [Fact]
    public void Every_transition_of_every_legal_state_leads_to_a_legal_state()
    {
        var legal = Enumerable.Range(0, 8).Select(static word => (State)word).Where(IsLegal).ToList();
        Assert.Equal(5, legal.Count);
        foreach (var state in legal)
        {
            Assert.True(IsLegal(WithClaim(state).Next));
            Assert.True(IsLegal(WithCancel(state).Next));
            Assert.True(IsLegal(WithComplete(state).Next));
            Assert.True(IsLegal(WithoutCanceled(state).Next));
            Assert.True(state == State.Waiting || IsLegal(WithWait(state).Next));
        }
    }

    private static IReadOnlyCollection<Model> Explore(Transitions transitions, bool stops)
        => new Explorer<Model>()
            .Actor("acceptor 1", state => Add(state, transitions, state.First, static (s, at) => s with { First = at }))
            .Actor("acceptor 2", state => Add(state, transitions, state.Second, static (s, p) => s with { Second = p }))
            .Actor("application", state => Accept(state, transitions))
            .Actor("token", state => Cancel(state, transitions))
            .Actor("end", state => stops ? Complete(state, transitions) : [])
            .Always("The word is legal", static state => IsLegal(state.Word))
            .Always("An accept completes once", static state => state.Completions <= 1)
            .Always(
                "Only an accept that waits is completed",
                static state => state.Completions == 0
                    || state.Application is not (Place.Start or Place.Wait or Place.Take or Place.Ended))
            .Always(
                "Null comes after the last connection",
                static state => state.Application != Place.Ended || (state.Ends && state.Queued == 0))
            .Always("One accept is cancelled at most", static state => state.Cancellations <= 1)
            .AtTheEnd("The application has taken both connections", static state => state.Taken == 2)
            .AtTheEnd(
                "The application waits, or has come to the end",
                state => state.Application == (stops ? Place.Ended : Place.Parked) && state.Completions == 0)
            .Explore(new Model());

    // Adds a connection and then resumes the application if it waits: AcceptQueue.Add and Announce.
    private static IEnumerable<Model> Add(
        Model state, Transitions transitions, Place place, Func<Model, Place, Model> at)
        => place switch
        {
            Place.Start => [at(state with { Queued = state.Queued + 1 }, Place.Look)],
            Place.Complete => [at(state with { Completions = state.Completions + 1 }, Place.Ended)],
            _ => TryClaim(state, transitions, place, at, claimed: Place.Complete, not: Place.Ended),
        };

    // AcceptQueue.TryClaimForConnection.
    private static IEnumerable<Model> TryClaim(
        Model state, Transitions transitions, Place place, Func<Model, Place, Model> at, Place claimed, Place not)
    {
        switch (place)
        {
            case Place.Look:
                return [at(state, state.Queued == 0 ? not : Place.Claim)];
            case Place.Claim:
                var (next, claims) = transitions.Claim(state.Word);
                return [at(state with { Word = next }, claims ? Place.LookAgain : not)];
            case Place.LookAgain:
                return [at(state, state.Queued != 0 || !transitions.LooksAgainAfterClaim ? claimed : Place.WaitAgain)];
            case Place.WaitAgain:
                var (again, waits) = transitions.Wait(state.Word);
                return [at(state with { Word = again }, waits ? Place.Look : claimed)];
            default:
                return [];
        }
    }

    // Accepts until null comes: AcceptQueue.AcceptAsync, WaitAsync and GetResult.
    private static IEnumerable<Model> Accept(Model state, Transitions transitions)
    {
        static Model At(Model state, Place place) => state with { Application = place };
        switch (state.Application)
        {
            case Place.Start when state.Queued != 0:
                return [state with { Queued = state.Queued - 1, Taken = state.Taken + 1 }];
            case Place.Start:
                return [At(state with { IsRegistered = true }, Place.Wait)];
            case Place.Wait:
                var (next, waits) = transitions.Wait(state.Word);
                var then = !waits ? Place.Complete : transitions.LooksAgainAfterWait ? Place.Look : Place.Parked;
                return [At(state with { Word = next }, then)];
            case Place.Complete:
                return [At(state with { Completions = state.Completions + 1 }, Place.Parked)];
            case Place.Parked when state.Completions != 0:
                // The token's callback is over, or does not come any more.
                return state.Token is Place.Complete
                    ? []
                    : [At(state with { IsRegistered = false, Completions = 0 }, Place.Take)];
            case Place.Parked or Place.Ended:
                return [];
            case Place.Take:
                var (cleared, wasCanceled) = transitions.TakeCanceled(state.Word);
                state = state with { Word = cleared };
                return state.Queued != 0
                        ? [At(state with { Queued = state.Queued - 1, Taken = state.Taken + 1 }, Place.Start)]
                    : wasCanceled ? [At(state with { Cancellations = state.Cancellations + 1 }, Place.Start)]
                    : [At(state, Place.Ended)];
            default:
                return TryClaim(state, transitions, state.Application, At, claimed: Place.Complete, not: Place.Parked);
        }
    }

    private static IEnumerable<Model> Cancel(Model state, Transitions transitions)
    {
        switch (state.Token)
        {
            case Place.Start when state.IsRegistered:
                var (next, claims) = transitions.Cancel(state.Word);
                return [state with { Word = next, Token = claims ? Place.Complete : Place.Ended }];
            case Place.Complete:
                return [state with { Completions = state.Completions + 1, Token = Place.Ended }];
            default:
                return [];
        }
    }

    private static IEnumerable<Model> Complete(Model state, Transitions transitions)
    {
        switch (state.End)
        {
            // No acceptor can add any more; it may still be about to announce.
            case Place.Start when state.First != Place.Start && state.Second != Place.Start:
                var (next, claims) = transitions.Complete(state.Word);
                return [state with { Word = next, Ends = true, End = claims ? Place.Complete : Place.Ended }];
            case Place.Complete:
                return [state with { Completions = state.Completions + 1, End = Place.Ended }];
            default:
                return [];
        }
    }

    private enum Place
    {
        Start,
        Look,
        Claim,
        LookAgain,
        WaitAgain,
        Wait,
        Parked,
        Complete,
        Take,
        Ended,
    }

    private readonly record struct Model(
        State Word,
        int Queued,
        int Taken,
        int Completions,
        int Cancellations,
        bool IsRegistered,
        bool Ends,
        Place First,
        Place Second,
        Place Application,
        Place Token,
        Place End);

    private sealed record Transitions(
        Func<State, (State, bool)> Wait,
        Func<State, (State, bool)> Claim,
        Func<State, (State, bool)> Cancel,
        Func<State, (State, bool)> Complete,
        Func<State, (State, bool)> TakeCanceled)
    {
        public bool LooksAgainAfterWait { get; init; } = true;

        public bool LooksAgainAfterClaim { get; init; } = true;
    }
}
