using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Two threads that post work to a loop, two threads that run it one after the other, and its end, in every order. The
/// steps between the transitions are those of <see cref="WorkQueue"/> and <see cref="EventLoop"/>.
/// </summary>
[FailsOnStock("An internal class of ours.")]
public sealed class WakeStateTests
{
    private static readonly Dictionary<string, WakeModel> _bugs = new()
    {
        ["a post wakes nothing"] = new()
        {
            Post = static (state, thread) => (state.Post(thread).Next, WakeAction.None),
        },
        ["the owner marks a wake-up and makes none"] = new()
        {
            Post = static (state, thread) => state.Owner == thread
                ? (state.Post(0).Next, WakeAction.None)
                : state.Post(thread),
        },
        ["any thread takes itself for the owner"] = new()
        {
            Post = static (state, _) => state.Post(state.Owner),
        },
        ["a post after the end wakes the loop"] = new()
        {
            Post = static (state, thread) => state.HasEnded ? (state, WakeAction.Wake) : state.Post(thread),
        },
        ["the poll leaves the wake-up pending"] = new() { Poll = static state => state },
        ["the poll forgets the owner"] = new() { Poll = static _ => default },
        ["the last owner stays"] = new()
        {
            Own = static (state, thread) => state.Owner == 0 ? state.Own(thread) : state,
        },
        ["the next owner marks a wake-up"] = new() { Own = static (state, thread) => state.Own(thread).Post(0).Next },
        ["a thread that has lost the loop stays its owner"] = new() { Leave = static (state, _) => state },
        ["a thread that has lost the loop takes it from the next"] = new()
        {
            Leave = static (state, _) => state.Leave(state.Owner),
        },
        ["a thread that has lost the loop leaves a wake-up that is not made"] = new()
        {
            Leave = static (state, thread) => state.Owner == thread ? WakeState.Disowned : state,
        },
        ["a thread that has lost the loop revives it"] = new()
        {
            Leave = static (state, thread) => state.HasEnded ? default : state.Leave(thread),
        },
        ["the end leaves the owner"] = new() { End = static state => state },
        ["the end leaves a wake-up pending"] = new()
        {
            End = static state => new(WakeState.Ended.Value | (state.Value & default(WakeState).Post(1).Next.Value)),
        },
        ["a post moves the word before it enqueues"] = new() { EnqueuesFirst = false },
        ["the wake-up is forgotten between the look and the poll"] = new() { ForgetsWakeBeforePoll = true },
        ["the loop polls without a look"] = new() { LooksBeforePoll = false },
        ["the end moves the work before it says so"] = new() { EndsFirst = false },
        ["a stop wakes nothing"] = new() { StopWakes = false },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Fact]
    public void No_work_is_lost_and_no_wake_up_is_missed()
    {
        var states = new WakeModel().Explore();

        Assert.InRange(states.Count, 10_000, int.MaxValue);
        Assert.Contains(states, static state => state.Word is { IsPending: true, Owner: WakeModel.NextOwner });
        Assert.Contains(states, static state => state is { Word.HasEnded: true, IsLost: true, Queued: > 1 });
    }

    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => _bugs[bug].Explore());

    [Fact]
    public void Every_transition_of_every_legal_state_leads_to_a_legal_state()
    {
        const int Thread = 7;
        var running = default(WakeState).Own(Thread);
        WakeState[] legal = [default, running, default(WakeState).Post(1).Next, running.Post(1).Next, WakeState.Ended];
        Assert.Equal(5, legal.Distinct().Count());
        foreach (var state in legal)
        {
            Assert.True(state.IsLegal);
            Assert.True(state.Post(Thread).Next.IsLegal);
            Assert.True(state.Post(1).Next.IsLegal);
            Assert.True(state.Poll().IsLegal);
            Assert.True(state.Leave(Thread) is { IsLegal: true, Owner: 0 });
            Assert.Equal(state, state.Leave(1));
            Assert.True(state.HasEnded || state.Own(Thread).IsLegal);
            Assert.Equal((state.Owner, false), (state.Poll().Owner, state.Poll().IsPending));
        }

        // What is not a transition: a loop that has ended has no owner, and nothing wakes it.
        Assert.False(new WakeState(running.Value | WakeState.Ended.Value).IsLegal);
        Assert.False(new WakeState(1 | WakeState.Ended.Value).IsLegal);
    }

    [Fact]
    public void Only_the_first_post_of_another_thread_wakes_the_loop()
    {
        var word = default(WakeWord);
        word.Own();
        Assert.True(word.IsOwner);
        Assert.Equal(WakeAction.None, word.Post());

        OnAnotherThread(() =>
        {
            Assert.False(word.IsOwner);
            Assert.Equal(WakeAction.Wake, word.Post());
            Assert.Equal(WakeAction.None, word.Post());
        });

        word.Poll();
        Assert.True(word.IsOwner);
        OnAnotherThread(() => Assert.Equal(WakeAction.Wake, word.Post()));

        word.Leave();
        Assert.False(word.IsOwner);
        OnAnotherThread(() => word.Own());
        word.Leave();
        Assert.False(word.IsOwner);
        Assert.Equal(WakeAction.None, word.Post());
        word.Poll();
        Assert.Equal(WakeAction.Wake, word.Post());

        word.End();
        Assert.True(word.HasEnded);
        Assert.False(word.IsOwner);
        Assert.Equal(WakeAction.MoveToPool, word.Post());
        word.Poll();
        Assert.True(word.HasEnded);
    }

    private static void OnAnotherThread(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(action));
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }
}
