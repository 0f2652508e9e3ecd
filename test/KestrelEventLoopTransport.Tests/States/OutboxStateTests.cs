using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// What a datagram handler has sent, while the supervisor finds its call overdue: every order of their steps.
/// </summary>
public sealed class OutboxStateTests
{
    private static readonly Dictionary<string, Moves> _bugs = new()
    {
        ["A message is added while others are sent"] = new()
        {
            LooksFirst = false,
            Append = static state => state.IsUncorked ? (state, false) : (new(state.Value + 1), true),
        },
        ["A message is added after the call was uncorked"] = new()
        {
            Append = static state => state.IsSending ? (state, false) : (new(state.Value + 1), true),
        },
        ["Both threads send"] = new()
        {
            Take = static state => state.Count == 0 ? (state, false) : (new(state.Value | 0x40), true),
        },
        ["The supervisor sends beside the handler's thread"] = new()
        {
            Uncork = static state => state.Count == 0
                ? (new(state.Value | 0x80), false)
                : (new(state.Value | 0xC0), true),
        },
        ["The end of a send forgets the uncorking"] = new() { EndSend = static _ => default },
        ["The end of a send keeps the messages"] = new() { EndSend = static state => new(state.Value & ~0x40) },
        ["The uncorking is for ever"] = new() { Begin = static state => state },
    };

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Fact]
    public void Every_message_is_sent_once_in_any_order() => Explore(new Moves());

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => Explore(_bugs[bug]));

    [Fact]
    public void Every_transition_of_a_legal_state_leads_to_a_legal_one()
    {
        foreach (var state in Enumerable.Range(0, 256).Select(static value => new OutboxState(value)))
        {
            if (state.IsLegal)
            {
                Assert.True(state.Begin().IsLegal);
                Assert.True(state.Append().Next.IsLegal);
                Assert.True(state.Take().Next.IsLegal);
                Assert.True(state.Uncork().Next.IsLegal);
                Assert.True(!state.IsSending || state.EndSend().IsLegal);
            }
        }
    }

    [Fact]
    public void A_full_outbox_takes_no_more()
    {
        var word = default(OutboxWord);
        for (var i = 0; i < DatagramSendBatch.Capacity; i++)
        {
            Assert.True(word.TryAppend());
        }

        Assert.False(word.TryAppend());
        Assert.True(word.TryTake(out var count));
        Assert.Equal(DatagramSendBatch.Capacity, count);
        Assert.False(word.TryUncork(out _));
        word.EndSend();
        Assert.False(word.TryAppend());
        word.Begin();
        Assert.True(word.TryAppend());
    }

    private static IReadOnlyCollection<Model> Explore(Moves moves)
        => new Explorer<Model>()
            .Actor("handler", state => Handle(state, moves))
            .Actor("supervisor", state => Supervise(state, moves))
            .Always("The word is legal", static state => state.Word.IsLegal)
            .Always("One thread sends at most", static state => !(state.HandlerSends && state.SupervisorSends))
            .Always("No slot is written while it is sent", static state => !state.HasOverwritten)
            .Always("No message is sent twice", static state => state.Sent <= state.Written)
            .Always("A call that begins collects", static state => !state.HasBegunUncorked)
            .Always("After uncorking nothing waits for the end of the call", static state => !state.HasWaited)
            .AtTheEnd("All is sent", static state => state.Sent == state.Written && state.Calls == 0)
            .Explore(new Model { Calls = 2, Looks = 2 });

    // DatagramOutput: BeginCallback, TryCollect up to three times, EndCallback.
    private static IEnumerable<Model> Handle(Model state, Moves moves)
    {
        switch (state.At)
        {
            case Place.Outside when state.Calls > 0:
                var begun = moves.Begin(state.Word);
                yield return state with
                {
                    At = Place.Inside,
                    Word = begun,
                    Left = 3,
                    IsUncorkedNow = false,
                    HasBegunUncorked = begun.IsUncorked,
                };
                break;
            case Place.Inside when state.Left > 0:
                // The slot is written behind the last one that the thread has seen.
                var seen = state.Word;
                yield return moves.LooksFirst && (seen.IsSending || seen.IsUncorked)
                    ? Direct(state)
                    : state with { At = Place.Written };
                break;
            case Place.Inside:
                var (taken, sends) = moves.Take(state.Word);
                yield return sends
                    ? state with { Word = taken, HandlerSends = true, At = Place.Sending, Calls = state.Calls - 1 }
                    : state with { At = Place.Outside, Calls = state.Calls - 1 };
                break;
            case Place.Written:
                var (added, isAdded) = moves.Append(state.Word);
                yield return isAdded
                    ? state with
                    {
                        Word = added,
                        Written = state.Written + 1,
                        At = Place.Inside,
                        Left = state.Left - 1,
                        HasOverwritten = state.SupervisorSends,
                        HasWaited = state.IsUncorkedNow,
                    }
                    : Direct(state);
                break;
            case Place.Sending:
                yield return state with
                {
                    Sent = state.Sent + state.Word.Count,
                    Word = moves.EndSend(state.Word),
                    HandlerSends = false,
                    At = Place.Outside,
                };
                break;
        }
    }

    private static Model Direct(Model state) => state with
    {
        At = Place.Inside,
        Left = state.Left - 1,
        Written = state.Written + 1,
        Sent = state.Sent + 1,
    };

    private static IEnumerable<Model> Supervise(Model state, Moves moves)
    {
        if (state.SupervisorSends)
        {
            yield return state with
            {
                Sent = state.Sent + state.Word.Count,
                Word = moves.EndSend(state.Word),
                SupervisorSends = false,
            };
        }
        else if (state.Looks > 0)
        {
            var (next, sends) = moves.Uncork(state.Word);
            yield return state with
            {
                Word = next,
                SupervisorSends = sends,
                Looks = state.Looks - 1,
                IsUncorkedNow = state.At is Place.Inside or Place.Written,
            };
        }
    }

    private enum Place
    {
        Outside,
        Inside,
        Written,
        Sending,
    }

    private readonly record struct Model
    {
        public OutboxState Word { get; init; }

        public Place At { get; init; }

        public int Calls { get; init; }

        public int Left { get; init; }

        public int Looks { get; init; }

        public int Written { get; init; }

        public int Sent { get; init; }

        public bool HandlerSends { get; init; }

        public bool SupervisorSends { get; init; }

        public bool HasOverwritten { get; init; }

        public bool HasBegunUncorked { get; init; }

        public bool IsUncorkedNow { get; init; }

        public bool HasWaited { get; init; }
    }

    private sealed record Moves
    {
        /// <summary>Whether the thread looks at the word before it writes a message.</summary>
        public bool LooksFirst { get; init; } = true;

        public Func<OutboxState, OutboxState> Begin { get; init; } = static state => state.Begin();

        public Func<OutboxState, (OutboxState, bool)> Append { get; init; } = static state => state.Append();

        public Func<OutboxState, (OutboxState, bool)> Take { get; init; } = static state => state.Take();

        public Func<OutboxState, (OutboxState, bool)> Uncork { get; init; } = static state => state.Uncork();

        public Func<OutboxState, OutboxState> EndSend { get; init; } = static state => state.EndSend();
    }
}
