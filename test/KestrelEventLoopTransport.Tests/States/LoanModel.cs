using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A loop that its thread lends to a thread pool with two threads, and two threads that post work to it, with the
/// transitions that it is given. The steps are those of <see cref="LoopLoan"/>, <see cref="EventLoop"/> and
/// <see cref="WorkQueue"/>.
/// </summary>
internal sealed record LoanModel
{
    /// <summary>What a thread does next.</summary>
    internal enum At
    {
        // The loop's thread.
        Looking,
        Polling,
        Waiting,
        Polled,
        Draining,
        Disowning,
        Lending,
        Queueing,
        Lent,
        Owning,
        ForgettingWake,

        // A thread of the pool.
        Idle,
        Starting,
        PoolOwning,
        PoolTakingOver,
        PoolForgettingWake,
        PoolLooking,
        PoolWaiting,
        PoolPolling,
        PoolPolled,
        PoolDraining,
        PoolDisowning,
        PoolDeciding,
        PoolQueueing,

        // A thread that posts.
        Enqueuing,
        Posting,
        Waking,
        Done,
    }

    private const int HomeThread = 1;

    internal Func<LoanState, LoanState> Lend { get; init; } = LoanTransitions.Lend;

    internal Func<LoanState, LoanState> Start { get; init; } = LoanTransitions.Start;

    internal Func<LoanState, LoanState> Requeue { get; init; } = LoanTransitions.Requeue;

    internal Func<LoanState, LoanState> Return { get; init; } = LoanTransitions.Return;

    internal Func<LoanState, LoanState> Reclaim { get; init; } = LoanTransitions.Reclaim;

    internal Func<WakeState, WakeState> Disown { get; init; } = static _ => WakeState.Disowned;

    internal bool ForgetsWakeAtHome { get; init; } = true;

    internal bool OwnsAtHome { get; init; } = true;

    internal bool OwnsOnPool { get; init; } = true;

    internal bool ForgetsWakeOnPool { get; init; } = true;

    internal bool LooksBeforeItWaits { get; init; } = true;

    internal bool LendsBeforeItQueues { get; init; } = true;

    internal IReadOnlyCollection<State> Explore()
        => new Explorer<State>()
            .Actor("loop", LoopSteps)
            .Actor("worker 1", state => WorkerSteps(state, 2, state.Worker1, static (s, at) => s with { Worker1 = at }))
            .Actor("worker 2", state => WorkerSteps(state, 3, state.Worker2, static (s, at) => s with { Worker2 = at }))
            .Actor("poster 1", state => PostSteps(state, 4, state.Poster1, static (s, at) => s with { Poster1 = at }))
            .Actor("poster 2", state => PostSteps(state, 5, state.Poster2, static (s, at) => s with { Poster2 = at }))
            .Always("One thread runs the loop", static state => state.Running <= 1)
            .Always("A thread that runs the loop is its owner, and no other", IsOwnerRight)
            .Always("The words are legal", static state => state.Wake.IsLegal && Enum.IsDefined(state.Loan))
            .Always("Work ends the wait of a turn", IsWaitRight)
            .Always("At most one item is in the pool", static state => state.Items <= 1)
            .AtTheEnd("The loop is at home", static state => state is { Loop: At.Waiting, Loan: LoanState.Home })
            .AtTheEnd("All has been posted", static state => state is { Poster1: At.Done, Poster2: At.Done })
            .AtTheEnd("All work has run", static state => state is { Queued: 0, Ran: 2, Items: 0 })
            .AtTheEnd("A later post wakes the loop", static state => state.Wake.Post(4).Action == WakeAction.Wake)
            .Explore(new State
            {
                Edges = 3,
                TurnsOnPool = 3,
                Waits = 1,
                Wake = default(WakeState).Own(HomeThread),
                Loop = At.Looking,
                Worker1 = At.Idle,
                Worker2 = At.Idle,
                Poster1 = At.Enqueuing,
                Poster2 = At.Enqueuing,
            });

    private static bool IsOwnerRight(State state)
        => state.Wake.Owner == (state.Loop is <= At.Disowning or At.ForgettingWake ? HomeThread
            : IsTurn(state.Worker1) ? 2
            : IsTurn(state.Worker2) ? 3
            : 0);

    private static bool IsTurn(At worker) => worker is >= At.PoolForgettingWake and <= At.PoolDisowning;

    // The wait has a time-out, so lost work would only be late, and would run at the end all the same.
    private static bool IsWaitRight(State state)
        => (state.Worker1 != At.PoolWaiting && state.Worker2 != At.PoolWaiting)
            || state.Queued == 0
            || state.IsWoken
            || state.Poster1 is At.Posting or At.Waking
            || state.Poster2 is At.Posting or At.Waking;

    private IEnumerable<State> LoopSteps(State state)
    {
        switch (state.Loop)
        {
            case At.Looking:
                yield return state with { Loop = state.Queued != 0 ? At.Polling : At.Waiting };
                break;
            case At.Polling or At.Waiting:
                if (state.IsWoken || state.Loop == At.Polling)
                {
                    yield return state with { IsWoken = false, Loop = At.Polled };
                }

                if (state.Edges != 0)
                {
                    state = state with { IsWoken = false, Edges = state.Edges - 1 };
                    yield return state with { Loop = At.Polled, Lends = true };
                }

                break;
            case At.Polled:
                yield return state with { Wake = state.Wake.Poll(), Loop = At.Draining };
                break;
            case At.Draining when state.Queued != 0:
                yield return Run(state);
                break;
            case At.Draining:
                yield return state with
                {
                    Loop = state.Lends && state.Loan == LoanState.Home ? At.Disowning : At.Looking,
                    Lends = false,
                };
                break;
            case At.Disowning:
                yield return state with
                {
                    Wake = Disown(state.Wake),
                    Loop = LendsBeforeItQueues ? At.Lending : At.Queueing,
                };
                break;
            case At.Lending:
                yield return state with
                {
                    Loan = Lend(state.Loan),
                    Loop = LendsBeforeItQueues ? At.Queueing : At.Lent,
                };
                break;
            case At.Queueing:
                yield return state with
                {
                    Items = state.Items + 1,
                    Loop = LendsBeforeItQueues ? At.Lent : At.Lending,
                };
                break;
            case At.Lent:
                if (state.Loan == LoanState.Home)
                {
                    yield return state with { Loop = At.Owning };
                }
                else if (Reclaim(state.Loan) is var loan && loan != state.Loan)
                {
                    // The time-out may come at any time.
                    yield return state with { Loan = loan, Loop = At.Owning };
                }

                break;
            case At.Owning:
                yield return state with
                {
                    Wake = OwnsAtHome ? state.Wake.Own(HomeThread) : state.Wake,
                    Loop = ForgetsWakeAtHome ? At.ForgettingWake : At.Looking,
                };
                break;
            case At.ForgettingWake:
                yield return state with { Wake = state.Wake.Poll(), Loop = At.Looking };
                break;
        }
    }

    private IEnumerable<State> WorkerSteps(State state, int thread, At at, Func<State, At, State> set)
    {
        switch (at)
        {
            case At.Idle when state.Items != 0:
                yield return set(state with { Items = state.Items - 1 }, At.Starting);
                break;
            case At.Starting:
                var runs = state.Loan == LoanState.Queued;
                yield return set(state with { Loan = Start(state.Loan) }, runs ? At.PoolOwning : At.Idle);
                break;
            case At.PoolOwning:
                state = state with { Wake = OwnsOnPool ? state.Wake.Own(thread) : state.Wake };
                yield return set(state, At.PoolPolling);
                break;
            case At.PoolTakingOver:
                yield return set(state with { Wake = state.Wake.Own(thread) }, At.PoolForgettingWake);
                break;
            case At.PoolForgettingWake:
                state = state with { Wake = ForgetsWakeOnPool ? state.Wake.Poll() : state.Wake };
                yield return set(state, LooksBeforeItWaits ? At.PoolLooking : At.PoolWaiting);
                break;
            case At.PoolLooking:
                yield return set(state, state.Queued != 0 ? At.PoolPolling : At.PoolWaiting);
                break;
            case At.PoolWaiting or At.PoolPolling:
                yield return set(state with { IsWoken = false }, At.PoolPolled);
                if (state.Edges != 0)
                {
                    yield return set(state with { IsWoken = false, Edges = state.Edges - 1 }, At.PoolPolled);
                }

                break;
            case At.PoolPolled:
                yield return set(state with { Wake = state.Wake.Poll() }, At.PoolDraining);
                break;
            case At.PoolDraining:
                yield return state.Queued != 0 ? Run(state) : set(state, At.PoolDisowning);
                break;
            case At.PoolDisowning:
                yield return set(state with { Wake = Disown(state.Wake) }, At.PoolDeciding);
                break;
            case At.PoolDeciding:
                if (state.Waits != 0)
                {
                    yield return set(state with { Waits = state.Waits - 1 }, At.PoolTakingOver);
                }

                yield return set(state with { Loan = Return(state.Loan) }, At.Idle);
                if (state.TurnsOnPool != 0)
                {
                    state = state with { TurnsOnPool = state.TurnsOnPool - 1 };
                    yield return set(state with { Loan = Requeue(state.Loan) }, At.PoolQueueing);
                }

                break;
            case At.PoolQueueing:
                yield return set(state with { Items = state.Items + 1 }, At.Idle);
                break;
        }
    }

    // WorkQueue.Post.
    private static IEnumerable<State> PostSteps(State state, int thread, At at, Func<State, At, State> set)
    {
        switch (at)
        {
            case At.Enqueuing:
                yield return set(state with { Queued = state.Queued + 1 }, At.Posting);
                break;
            case At.Posting:
                var (wake, action) = state.Wake.Post(thread);
                yield return set(state with { Wake = wake }, action == WakeAction.Wake ? At.Waking : At.Done);
                break;
            case At.Waking:
                yield return set(state with { IsWoken = true }, At.Done);
                break;
        }
    }

    private static State Run(State state) => state with { Queued = state.Queued - 1, Ran = state.Ran + 1 };

    internal readonly record struct State
    {
        internal LoanState Loan { get; init; }

        internal WakeState Wake { get; init; }

        /// <summary>Work items of the loan that wait in the pool.</summary>
        internal int Items { get; init; }

        /// <summary>Work that was posted to the loop and waits there.</summary>
        internal int Queued { get; init; }

        internal int Ran { get; init; }

        /// <summary>Edges that have not come yet.</summary>
        internal int Edges { get; init; }

        /// <summary>How often the pool goes on at most.</summary>
        internal int TurnsOnPool { get; init; }

        /// <summary>How many turns on the pool wait at most.</summary>
        internal int Waits { get; init; }

        /// <summary>Whether the current poll, or the next one, ends.</summary>
        internal bool IsWoken { get; init; }

        /// <summary>Whether the loop is lent after this turn.</summary>
        internal bool Lends { get; init; }

        internal At Loop { get; init; }

        internal At Worker1 { get; init; }

        internal At Worker2 { get; init; }

        internal At Poster1 { get; init; }

        internal At Poster2 { get; init; }

        /// <summary>How many threads run the loop.</summary>
        internal int Running => (Loop is At.Lent or At.Queueing ? 0 : 1) + Turns(Worker1) + Turns(Worker2);

        private static int Turns(At worker) => worker is >= At.PoolOwning and <= At.PoolDisowning ? 1 : 0;
    }
}
