using KestrelEventLoopTransport.Connections.Input;
using static KestrelEventLoopTransport.Connections.Input.InputFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The word of a connection's input: each transition, and every order of those that make them.</summary>
[Trait("Contract", "loops")]
public sealed class InputStateTests
{
    // Bits of the word.
    private const int Bits = 19;

    private static readonly Dictionary<string, InputMoves> _bugs = new()
    {
        ["An edge does not end a wait"] = new()
        {
            OnEdge = static (state, flags, claims)
                => (state & Parked) == 0 ? InputTransitions.OnEdge(state, flags, claims) : state | flags,
        },
        ["An edge without a reader is not watched"] = new()
        {
            OnEdge = static (state, flags, claims)
                => InputTransitions.OnEdge(state, flags, claims) & ~(Watched & ~state),
        },
        ["An edge during a receive is dropped"] = new()
        {
            EndReceive = static (state, set, clear, watches)
                => InputTransitions.EndReceive(state & ~Ready, set, clear, watches),
        },
        ["An edge during a receive is not watched"] = new()
        {
            EndReceive = static (state, set, clear, watches) =>
            {
                var next = InputTransitions.EndReceive(state, set, clear, watches);
                return watches ? next : next & ~(Watched & ~state);
            },
        },
        ["The busy thread does not resume a read that parked meanwhile"] = new()
        {
            EndReceive = static (state, set, clear, watches) =>
            {
                var next = InputTransitions.EndReceive(state, set, clear, watches);
                return (state & Parked) == 0 ? next : (next & ~Claimed) | Parked;
            },
        },
        ["The busy thread forgets to release"] = new()
        {
            EndReceive = static (state, set, clear, watches)
                => InputTransitions.EndReceive(state, set, clear, watches) & ~(Released & ~state),
        },
        ["A stop releases under a busy thread"] = new()
        {
            Stop = static state => (state | Stopped | Released) & ~Parked,
        },
        ["A stop leaves a read parked"] = new()
        {
            Stop = static state => InputTransitions.Stop(state) | (state & Parked),
        },
        ["A second stop lets the busy thread release again"] = new()
        {
            Stop = static state
                => (state & Busy) == 0 ? InputTransitions.Stop(state) : (state | Stopped) & ~(Released | Parked),
        },
        ["A receive begins beside another"] = new()
        {
            TryBeginReceive = static (InputFlags state, InputFlags unless, out InputFlags next)
                => InputTransitions.TryBeginReceive(state & ~Busy, unless, out next),
        },
        ["A receive begins after a stop"] = new()
        {
            TryBeginReceive = static (InputFlags state, InputFlags unless, out InputFlags next) =>
            {
                next = (state & ~Ready) | Busy;
                return (state & (Ready | Busy)) == Ready;
            },
        },
        ["The reader receives before it takes what is held"] = new() { ReaderUnless = Ended },
        ["A taking begins beside a receive"] = new()
        {
            TryBeginTake = static (InputFlags state, out InputFlags next)
                => InputTransitions.TryBeginTake(state & ~Busy, out next),
        },
        ["A read parks on an edge"] = new()
        {
            TryPark = static (InputFlags state, out InputFlags next) =>
            {
                var parks = InputTransitions.TryPark(state & ~Ready, out next);
                next |= state & Ready;
                return parks;
            },
        },
        ["A read that parks beside a busy thread overlooks a cancellation"] = new()
        {
            TryPark = static (InputFlags state, out InputFlags next)
                => InputTransitions.TryPark(state, out next) || (state & Busy) != 0,
        },
        ["A cancellation does not end a wait"] = new() { SetAndUnpark = static (state, flags) => state | flags },
        ["The watch drops an unanswered edge"] = new()
        {
            TryUnwatch = static (InputFlags state, out InputFlags next)
                => InputTransitions.TryUnwatch(state, out next) || true,
        },
        ["An edge is not watched again after a pause"] = new()
        {
            TryWatch = static (InputFlags state, out InputFlags next)
                => InputTransitions.TryWatch(state, out next) && false,
        },
        ["The reader makes room and does not end the pause"] = new() { ContinuesAhead = false },
        ["A read that its token ends leaves the edge unwatched"] = new() { RewatchesAfterToken = false },
        ["A read parks after its deadline"] = new()
        {
            TryPark = static (InputFlags state, out InputFlags next) =>
            {
                var parks = InputTransitions.TryPark(state & ~TimedOut, out next);
                next |= state & TimedOut;
                return parks;
            },
        },
        ["A deadline that passes does not end a wait"] = new()
        {
            SetAndUnpark = static (state, flags)
                => InputTransitions.SetAndUnpark(state, flags) | (flags == TimedOut ? state & Parked : None),
        },
        ["A deadline that passes drops an edge"] = new()
        {
            SetAndUnpark = static (state, flags)
                => InputTransitions.SetAndUnpark(state, flags) & ~(flags == TimedOut ? Ready : None),
        },
        ["A deadline that is moved drops an edge"] = new()
        {
            Revive = static state => state & ~(TimedOut | Ready),
        },
        ["A deadline that is moved parks a read"] = new()
        {
            Revive = static state => (state & ~TimedOut) | Parked,
        },
        ["A deadline that is moved takes what is held"] = new() { Revive = static state => state & ~(TimedOut | Held) },
        ["A read that its deadline ends leaves the edge unwatched"] = new() { RewatchesAfterDeadline = false },
    };

    public static TheoryData<string> Scenarios => [.. InputScenario.Every.Select(scenario => scenario.Name)];

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Nothing_is_lost_in_any_order_with(string name)
    {
        var scenario = InputScenario.Every.Single(scenario => scenario.Name == name);

        Assert.NotEmpty(scenario.Explore(new InputMoves()));
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
    {
        var found = InputScenario.Every
            .Select(scenario => Record.Exception(() => scenario.Explore(_bugs[bug])))
            .FirstOrDefault(static exception => exception is not null);

        Assert.IsType<IllegalStateException>(found);
    }

    /// <summary>Not only the reachable states: every one that the rules allow.</summary>
    [Fact]
    public void A_legal_state_stays_legal_whatever_happens()
        => Assert.Empty(Moves().Where(static move => !InputTransitions.IsLegal(move.Next)).Take(10));

    [Fact]
    public void A_release_is_for_good()
        => Assert.Empty(Moves().Where(static move => (move.State & ~move.Next & Released) != 0).Take(10));

    [Fact]
    public void A_read_is_resumed_and_a_descriptor_released_when_the_word_says_so()
        => Assert.Empty(Moves().Where(static move =>
        {
            var actions = InputTransitions.ActionsOf(move.State, move.Next);
            var resumes = (move.State & ~move.Next & Parked) != 0;
            var releases = (move.Next & ~move.State & Released) != 0;
            return resumes != ((actions & InputActions.Resume) != 0)
                || releases != ((actions & InputActions.Release) != 0);
        }).Take(10));

    [Theory]
    [InlineData((int)Ready, false)]
    [InlineData((int)Held, false)]
    [InlineData((int)Canceled, false)]
    [InlineData((int)TokenCanceled, false)]
    [InlineData((int)TimedOut, false)]
    [InlineData((int)Completed, false)]
    [InlineData((int)Closing, false)]
    [InlineData((int)MustDrain, true)]
    [InlineData((int)PeerFinished, true)]
    [InlineData((int)Broken, true)]
    [InlineData((int)EndHeld, true)]
    [InlineData((int)Watched, true)]
    [InlineData((int)Full, true)]
    public void A_read_parks_unless_it_can_go_on(int flag, bool parks)
    {
        var state = default(InputState);
        state.Set((InputFlags)flag);

        Assert.Equal(parks, state.TryPark());
        Assert.Equal(parks, state.Has(Parked));
    }

    [Fact]
    public void A_parked_read_is_resumed_by_the_first_who_can()
    {
        var state = default(InputState);
        Assert.True(state.TryPark());

        Assert.Equal(InputActions.Resume, state.OnEdge(Ready, claims: true));
        Assert.Equal(InputActions.None, state.SetAndUnpark(Canceled));
        Assert.Equal(InputActions.Release, state.Stop());
        Assert.Equal(InputActions.None, state.Stop());
        Assert.True(state.Has(Claimed));
    }

    /// <summary>Two may see the flag, and one clears it.</summary>
    [Fact]
    public async Task A_flag_is_cleared_by_one_of_two()
    {
        const int Rounds = 20_000;
        var words = new InputState[Rounds];
        for (var i = 0; i < Rounds; i++)
        {
            words[i].Set(Canceled);
        }

        var cleared = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            var count = 0;
            for (var i = 0; i < Rounds; i++)
            {
                count += words[i].TryClear(Canceled) ? 1 : 0;
            }

            return count;
        })));

        Assert.Equal(Rounds, cleared.Sum());
    }

    private static IEnumerable<(InputFlags State, InputFlags Next)> Moves()
        => from bits in Enumerable.Range(0, 1 << Bits)
           let state = (InputFlags)bits
           where InputTransitions.IsLegal(state)
           from next in NextOf(state)
           select (state, next);

    /// <summary>What each event makes of a state in which it can happen.</summary>
    private static IEnumerable<InputFlags> NextOf(InputFlags state)
    {
        foreach (var reason in new[] { Canceled, TokenCanceled, TimedOut, Completed, Closing })
        {
            yield return InputTransitions.SetAndUnpark(state, reason);
        }

        if (InputTransitions.TryClear(state, TimedOut, out var revived))
        {
            yield return revived;
        }

        foreach (var claims in new[] { false, true })
        {
            yield return InputTransitions.OnEdge(state, Ready, claims);
            yield return InputTransitions.OnEdge(state, Ready | MustDrain | Broken, claims);
        }

        // There is one reader: it does not park again, nor while it is about to be resumed.
        if ((state & (Parked | Claimed)) == 0 && InputTransitions.TryPark(state, out var parked))
        {
            yield return parked;
        }

        foreach (var unless in new[] { None, Ended, Ended | Held })
        {
            if (InputTransitions.TryBeginReceive(state, unless, out var begun))
            {
                yield return begun;
            }
        }

        if (InputTransitions.TryBeginTake(state, out var taking))
        {
            yield return taking;
        }

        if ((state & Busy) != 0)
        {
            foreach (var set in new[] { None, Ready, Held, Held | EndHeld, Ready | Held })
            {
                yield return InputTransitions.EndReceive(state, set, None, watches: false);
                yield return InputTransitions.EndReceive(state, set, None, watches: true);
            }

            yield return InputTransitions.EndReceive(state, None, Held, watches: true);
        }

        if (InputTransitions.TryWatch(state, out var watched))
        {
            yield return watched;
        }

        if (InputTransitions.TryUnwatch(state, out var unwatched))
        {
            yield return unwatched;
        }

        yield return InputTransitions.Stop(state);
    }
}
