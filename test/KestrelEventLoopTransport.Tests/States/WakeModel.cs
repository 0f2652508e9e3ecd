using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A loop, the threads that post work to it, those that run it and those that end it, with the transitions that it is
/// given. A thread with a callback that keeps the loop may lose it, to the next owner or to the end.
/// </summary>
internal sealed record WakeModel
{
    internal const int FirstOwner = 1;
    internal const int NextOwner = 2;

    /// <summary>What a thread does next.</summary>
    internal enum At
    {
        Parked,
        Enqueuing,
        Posting,
        Waking,
        MovingToPool,
        Owning,
        Looking,
        ForgettingWake,
        Polling,
        Waiting,
        Polled,
        PolledEdge,
        InCallback,
        Draining,
        Leaving,
        Ending,
        Done,
    }

    internal Func<WakeState, int, (WakeState Next, WakeAction Action)> Post { get; init; }
        = static (state, thread) => state.Post(thread);

    internal Func<WakeState, WakeState> Poll { get; init; } = static state => state.Poll();

    internal Func<WakeState, int, WakeState> Own { get; init; } = static (state, thread) => state.Own(thread);

    internal Func<WakeState, int, WakeState> Leave { get; init; } = static (state, thread) => state.Leave(thread);

    internal Func<WakeState, WakeState> End { get; init; } = static _ => WakeState.Ended;

    internal bool EnqueuesFirst { get; init; } = true;

    internal bool LooksBeforePoll { get; init; } = true;

    internal bool ForgetsWakeBeforePoll { get; init; }

    internal bool EndsFirst { get; init; } = true;

    internal bool StopWakes { get; init; } = true;

    internal IReadOnlyCollection<State> Explore() => [.. Explore(stops: true), .. Explore(stops: false)];

    private IReadOnlyCollection<State> Explore(bool stops)
    {
        var start = EnqueuesFirst ? At.Enqueuing : At.Posting;
        return new Explorer<State>()
            .Actor("poster 1", state => PostSteps(state, state.Poster1, static (s, own) => s with { Poster1 = own }))
            .Actor("poster 2", state => PostSteps(state, state.Poster2, static (s, own) => s with { Poster2 = own }))
            .Actor("callback", CallbackSteps)
            .Actor("owner", state => RunSteps(state, FirstOwner, state.First, static (s, at) => s with { First = at }))
            .Actor("next", state => RunSteps(state, NextOwner, state.Next, static (s, at) => s with { Next = at }))
            .Actor("supervisor", TakeLoop)
            .Actor("pool", state => EndSteps(state, state.Ender, static (s, at) => s with { Ender = at }))
            .Actor("stop", state => stops ? StopSteps(state) : [])
            .Always("The word is legal", static state => state.Word.IsLegal)
            .Always("The thread that runs the loop is its owner", IsOwner)
            .Always("A thread that is free is no owner", static state
                => state is not { IsLost: true, First: At.Done } || state.Word.Owner != FirstOwner)
            .AtTheEnd("All work has run", static state => state is { Queued: 0 } && state.Ran == state.Posted)
            .AtTheEnd("A wake-up that is pending comes", static state => !state.Word.IsPending)
            .AtTheEnd("All has been posted", static state => state.Posted >= (state.HasEdge ? 3 : 4))
            .AtTheEnd("The loop waits, or has ended", state => Rests(state, stops))
            .Explore(new State
            {
                HasEdge = true,
                Poster1 = new Poster(3, start, Left: 2),
                Poster2 = new Poster(4, start, Left: 1),
                Callback = new Poster(FirstOwner, start, Left: 1),
                First = At.Owning,
                Stopper = At.Ending,
            });
    }

    private static bool IsOwner(State state)
        => (!Runs(state.First) || state.IsLost || state.Word.Owner == FirstOwner)
            && (!Runs(state.Next) || state.Word.Owner == NextOwner);

    private static bool Runs(At at) => at is >= At.Looking and <= At.Draining;

    private static bool Rests(State state, bool stops)
        => stops
            ? state is { Word.HasEnded: true, First: At.Done, Next: At.Parked or At.Done, Ender: At.Parked or At.Done }
            : state is { IsLost: false, First: At.Waiting } or { IsLost: true, First: At.Done, Next: At.Waiting };

    // WorkQueue.Post.
    private IEnumerable<State> PostSteps(State state, Poster own, Func<State, Poster, State> set)
    {
        switch (own.At)
        {
            case At.Enqueuing:
                state = state with { Queued = state.Queued + 1, Posted = state.Posted + 1 };
                yield return set(state, EnqueuesFirst ? own with { At = At.Posting } : Act(own));
                break;
            case At.Posting:
                var (word, action) = Post(state.Word, own.Thread);
                own = own with { Action = action };
                yield return set(
                    state with { Word = word }, EnqueuesFirst ? Act(own) : own with { At = At.Enqueuing });
                break;
            case At.Waking:
                yield return set(state with { IsWoken = true }, GoOn(own));
                break;
            case At.MovingToPool:
                yield return state.Queued == 0 ? set(state, GoOn(own)) : Run(state);
                break;
        }
    }

    private Poster Act(Poster own) => own.Action switch
    {
        WakeAction.Wake => own with { At = At.Waking },
        WakeAction.MoveToPool => own with { At = At.MovingToPool },
        _ => GoOn(own),
    };

    private Poster GoOn(Poster own) => own with
    {
        At = own.Left == 1 ? At.Done : EnqueuesFirst ? At.Enqueuing : At.Posting,
        Left = own.Left - 1,
    };

    private IEnumerable<State> CallbackSteps(State state)
        => state.First == At.InCallback
            ? PostSteps(state, state.Callback, static (s, own) => s with { Callback = own })
            : [];

    // EventLoop.Run and RunTurn. The first owner's poll may return an edge, and with it a callback.
    private IEnumerable<State> RunSteps(State state, int thread, At at, Func<State, At, State> set)
    {
        switch (at)
        {
            case At.Owning:
                state = state with { Word = Own(state.Word, thread) };
                yield return set(state, NextTurn(state));

                // Events are left from the last owner's poll.
                yield return set(state, At.Draining);
                break;
            case At.Looking:
                yield return set(
                    state,
                    LooksBeforePoll && state.Queued != 0 ? At.Polling
                        : ForgetsWakeBeforePoll ? At.ForgettingWake
                        : At.Waiting);
                break;
            case At.ForgettingWake:
                yield return set(state with { Word = Poll(state.Word) }, At.Waiting);
                break;
            case At.Polling or At.Waiting:
                if (state.IsWoken || at == At.Polling)
                {
                    yield return set(state with { IsWoken = false }, At.Polled);
                }

                if (state.HasEdge)
                {
                    yield return set(state with { IsWoken = false, HasEdge = false }, At.PolledEdge);
                }

                break;
            case At.Polled or At.PolledEdge:
                state = ForgetsWakeBeforePoll ? state : state with { Word = Poll(state.Word) };
                yield return set(state, at == At.Polled ? At.Draining : At.InCallback);
                break;
            case At.InCallback when state.Callback.At == At.Done:
                yield return set(state, state.IsLost ? At.Leaving : At.Draining);
                break;
            case At.Leaving:
                yield return set(state with { Word = Leave(state.Word, thread) }, At.Done);
                break;
            case At.Draining when state.Queued != 0:
                // A turn runs so much and no more.
                yield return set(Run(state), At.Draining);
                yield return set(Run(state), NextTurn(state));
                break;
            case At.Draining:
                yield return set(state, NextTurn(state));
                break;
            default:
                foreach (var next in EndSteps(state, at, set))
                {
                    yield return next;
                }

                break;
        }
    }

    private At NextTurn(State state) => !state.IsStopping ? At.Looking : EndsFirst ? At.Ending : At.MovingToPool;

    // HandOffs.Run: the supervisor may find at any time that a callback keeps the loop.
    private IEnumerable<State> TakeLoop(State state)
    {
        if (state is { First: At.InCallback, IsLost: false })
        {
            state = state with { IsLost = true };
            yield return state.IsStopping
                ? state with { Ender = EndsFirst ? At.Ending : At.MovingToPool }
                : state with { Next = At.Owning };
        }
    }

    // WorkQueue.End.
    private IEnumerable<State> EndSteps(State state, At at, Func<State, At, State> set)
    {
        switch (at)
        {
            case At.Ending:
                yield return set(state with { Word = End(state.Word) }, EndsFirst ? At.MovingToPool : At.Done);
                break;
            case At.MovingToPool:
                yield return state.Queued != 0 ? Run(state) : set(state, EndsFirst ? At.Done : At.Ending);
                break;
        }
    }

    // EventLoop.Stop.
    private IEnumerable<State> StopSteps(State state)
    {
        switch (state.Stopper)
        {
            case At.Ending:
                yield return state with { IsStopping = true, Stopper = StopWakes ? At.Waking : At.Done };
                break;
            case At.Waking:
                yield return state with { IsWoken = true, Stopper = At.Done };
                break;
        }
    }

    private static State Run(State state) => state with { Queued = state.Queued - 1, Ran = state.Ran + 1 };

    /// <param name="Thread">The thread's number.</param>
    /// <param name="At">What it does next.</param>
    /// <param name="Left">How many items it has yet to post.</param>
    /// <param name="Action">What the last move of the word told it to do.</param>
    internal readonly record struct Poster(int Thread, At At, int Left, WakeAction Action = WakeAction.None);

    internal readonly record struct State
    {
        internal WakeState Word { get; init; }

        /// <summary>Items that are in the queue.</summary>
        internal int Queued { get; init; }

        internal int Posted { get; init; }

        /// <summary>Items that the loop has run, or the pool will.</summary>
        internal int Ran { get; init; }

        /// <summary>Whether the current poll, or the next one, ends.</summary>
        internal bool IsWoken { get; init; }

        internal bool HasEdge { get; init; }

        /// <summary>Whether the first owner has lost the loop.</summary>
        internal bool IsLost { get; init; }

        internal bool IsStopping { get; init; }

        internal Poster Poster1 { get; init; }

        internal Poster Poster2 { get; init; }

        internal Poster Callback { get; init; }

        internal At First { get; init; }

        internal At Next { get; init; }

        internal At Ender { get; init; }

        internal At Stopper { get; init; }
    }
}
