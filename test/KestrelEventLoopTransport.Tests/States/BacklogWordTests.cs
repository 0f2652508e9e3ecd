using KestrelEventLoopTransport.Datagrams;
using static KestrelEventLoopTransport.Datagrams.BacklogFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Two threads that send through a full datagram socket, its delay and a stop: every order of their steps.
/// </summary>
public sealed class BacklogWordTests
{
    private static readonly Dictionary<string, Moves> _bugs = new()
    {
        ["A thread that queues leaves the sending to the next delay"] = new()
        {
            Queue = static state => state == None ? (Queued, BacklogAction.None) : BacklogTransitions.Queue(state),
        },
        ["A datagram that is queued during a flush is not announced"] = new()
        {
            Queue = static state => (state & Flushing) != 0
                ? (state, BacklogAction.None)
                : BacklogTransitions.Queue(state),
        },
        ["The delay is forgotten during a flush"] = new()
        {
            SetWritable = static state => (state & Flushing) != 0
                ? (state, BacklogAction.None)
                : BacklogTransitions.SetWritable(state),
        },
        ["The delay begins a second flush"] = new()
        {
            SetWritable = static state => (state & (Queued | Stopped)) == Queued
                ? (state | Flushing, BacklogAction.Flush)
                : (state, BacklogAction.None),
        },
        ["The end of a flush does not look again"] = new()
        {
            EndFlush = static (state, isEmpty) => BacklogTransitions.EndFlush(state & ~Again, isEmpty),
        },
        ["The end of a flush forgets what is queued"] = new()
        {
            EndFlush = static (state, _) => BacklogTransitions.EndFlush(state, isEmpty: true),
        },
        ["The end of a flush does not close"] = new()
        {
            EndFlush = static (state, isEmpty) => (state & Stopped) != 0
                ? (Stopped | Closed, BacklogAction.None)
                : BacklogTransitions.EndFlush(state, isEmpty),
        },
        ["A stop closes during a flush"] = new() { Stop = static _ => (Stopped | Closed, BacklogAction.Close) },
    };

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Fact]
    public void No_datagram_is_forgotten_in_any_order()
    {
        var states = Explore(new Moves(), stops: false);
        Assert.True(states.Count > 100);
        Explore(new Moves(), stops: true);
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
        => Assert.Throws<IllegalStateException>(() =>
        {
            Explore(_bugs[bug], stops: false);
            Explore(_bugs[bug], stops: true);
        });

    [Fact]
    public void The_legal_states_are_those_that_can_be_reached()
    {
        var reached = Explore(new Moves(), stops: true).Select(static state => state.Word).Distinct().Order();
        var states = Enumerable.Range(0, 32).Select(static bits => (BacklogFlags)bits);

        Assert.Equal(states.Where(BacklogTransitions.IsLegal), reached);
    }

    private static IReadOnlyCollection<Model> Explore(Moves moves, bool stops)
        => new Explorer<Model>()
            .Actor("a", state => Send(state, state.A, (s, own) => s with { A = own }, moves))
            .Actor("b", state => Send(state, state.B, (s, own) => s with { B = own }, moves))
            .Actor("delay", state => Delay(state, moves))
            .Actor("socket", static state => state.IsFull ? [state with { IsFull = false }] : [])
            .Actor("stop", state => stops ? Stop(state, moves) : [])
            .Always("The word is legal", static state => BacklogTransitions.IsLegal(state.Word))
            .Always("One thread flushes at most", static state => state.Flushers <= 1)
            .Always("Nothing is sent after the queue is closed", static state => !state.HasMisused)
            .Always("The queue is closed once", static state => state.Closes <= 1)
            .AtTheEnd("Nothing is left in the queue", static state => state.InQueue == 0)
            .AtTheEnd("A stop closes the queue", state => state.Closes == (stops ? 1 : 0))
            .AtTheEnd("All threads have ended", static state => state.Flushers == 0)
            .AlwaysEnds()
            .Explore(new Model { IsFull = true, A = new(Place.Adding, 2), B = new(Place.Adding, 1) });

    // DatagramOutput.TrySend, and Flush.
    private static IEnumerable<Model> Send(Model state, Own own, Func<Model, Own, Model> set, Moves moves)
    {
        switch (own.Place)
        {
            case Place.Adding when own.Left == 0:
                break;
            case Place.Adding when state.IsClosed:
                yield return set(state, new(Place.Adding, own.Left - 1));
                break;
            case Place.Adding:
                yield return set(state with { InQueue = state.InQueue + 1 }, own with { Place = Place.Queuing });
                break;
            case Place.Queuing:
                var (word, action) = moves.Queue(state.Word);
                yield return Act(state with { Word = word }, own with { Left = own.Left - 1 }, set, action);
                break;
            default:
                foreach (var next in Flush(state, own, set, moves))
                {
                    yield return next;
                }

                break;
        }
    }

    private static IEnumerable<Model> Flush(Model state, Own own, Func<Model, Own, Model> set, Moves moves)
    {
        switch (own.Place)
        {
            case Place.Flushing when (state.Word & Stopped) != 0 || state.InQueue == 0:
                yield return set(state, own with { Place = Place.EndingEmpty });
                break;
            case Place.Flushing when state.IsFull:
                // The delay is set before the flush ends.
                yield return set(state with { IsDelayed = true }, own with { Place = Place.EndingFull });
                break;
            case Place.Flushing:
                yield return set(
                    state with { InQueue = state.InQueue - 1, HasMisused = state.HasMisused || state.IsClosed }, own);
                break;
            case Place.EndingEmpty or Place.EndingFull:
                var (word, action) = moves.EndFlush(state.Word, own.Place == Place.EndingEmpty);
                yield return Act(
                    state with { Word = word, Flushers = state.Flushers - 1 }, own, set, action);
                break;
            case Place.Closing:
                yield return set(Close(state), own with { Place = Place.Adding });
                break;
        }
    }

    private static Model Act(Model state, Own own, Func<Model, Own, Model> set, BacklogAction action)
        => action switch
        {
            BacklogAction.Flush => set(
                state with { Flushers = state.Flushers + 1 }, own with { Place = Place.Flushing }),
            BacklogAction.Close => set(state, own with { Place = Place.Closing }),
            _ => set(state, own with { Place = Place.Adding }),
        };

    // DatagramOutput as a work item.
    private static IEnumerable<Model> Delay(Model state, Moves moves)
    {
        if (state.Timer.Place != Place.Adding)
        {
            return Flush(state, state.Timer, static (s, own) => s with { Timer = own }, moves);
        }

        if (!state.IsDelayed)
        {
            return [];
        }

        var (word, action) = moves.SetWritable(state.Word);
        return
        [
            Act(
                state with { Word = word, IsDelayed = false },
                state.Timer,
                static (s, own) => s with { Timer = own },
                action),
        ];
    }

    private static IEnumerable<Model> Stop(Model state, Moves moves)
    {
        if (state.Stops == 2)
        {
            return [];
        }

        var (word, action) = moves.Stop(state.Word);
        state = state with { Word = word, Stops = state.Stops + 1 };
        return [action == BacklogAction.Close ? Close(state) : state];
    }

    private static Model Close(Model state)
        => state with
        {
            IsClosed = true,
            InQueue = 0,
            Closes = state.Closes + 1,
            HasMisused = state.HasMisused || state.Flushers > 0,
        };

    private enum Place
    {
        Adding,
        Queuing,
        Flushing,
        EndingEmpty,
        EndingFull,
        Closing,
    }

    private readonly record struct Own(Place Place, int Left);

    private readonly record struct Model
    {
        public BacklogFlags Word { get; init; }

        public Own A { get; init; }

        public Own B { get; init; }

        public Own Timer { get; init; }

        public int InQueue { get; init; }

        public bool IsFull { get; init; }

        public bool IsDelayed { get; init; }

        public bool IsClosed { get; init; }

        public int Flushers { get; init; }

        public int Stops { get; init; }

        public int Closes { get; init; }

        public bool HasMisused { get; init; }
    }

    private sealed record Moves
    {
        public Func<BacklogFlags, (BacklogFlags, BacklogAction)> Queue { get; init; } = BacklogTransitions.Queue;

        public Func<BacklogFlags, (BacklogFlags, BacklogAction)> SetWritable { get; init; }
            = BacklogTransitions.SetWritable;

        public Func<BacklogFlags, bool, (BacklogFlags, BacklogAction)> EndFlush { get; init; }
            = BacklogTransitions.EndFlush;

        public Func<BacklogFlags, (BacklogFlags, BacklogAction)> Stop { get; init; } = BacklogTransitions.Stop;
    }
}
