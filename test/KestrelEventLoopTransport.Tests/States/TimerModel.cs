using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A timer that two threads and its loop set and cancel while the loop files it, looks at it, lets it fire and ends,
/// with the transitions that it is given. The steps are those of <see cref="LoopTimer"/>. There are three times: 0, 1
/// and 2.
/// </summary>
internal sealed record TimerModel
{
    internal const long Never = TimerDue.Never;

    private const long Last = 2;
    private const long NoSlot = -1;

    // The loop is not woken to forget a timer that it looks at now or earlier.
    private const long Soon = 0;

    /// <summary>What a thread does next.</summary>
    internal enum At
    {
        // The loop.
        Resting,
        Taking,
        Looking,
        BeginningToFire,
        Fired,
        EndingFire,
        Reading,
        Filing,
        LookingAgain,
        Claiming,
        Ending,

        // A thread that sets, or the loop.
        Writing,
        Checking,
        TakingBack,
        Posting,
    }

    /// <summary>What a thread does to the timer.</summary>
    internal readonly record struct Operation(long Due, bool Cancels)
    {
        internal static Operation Cancel => new(Never, true);

        internal static Operation Set(long due) => new(due, false);
    }

    internal Func<TimerState, long, (TimerState Next, bool Claims)> Set { get; init; }
        = static (state, due) => state.Set(due);

    internal Func<TimerState, (TimerState Next, bool Claims)> Take { get; init; } = static state => state.Take();

    internal Func<long, long, (long Next, bool Fires)> Look { get; init; } = TimerDue.Look;

    internal Func<long, long, long> EndFire { get; init; } = TimerDue.EndFire;

    internal bool WritesBeforeItChecks { get; init; } = true;

    internal bool Posts { get; init; } = true;

    internal bool LooksAgain { get; init; } = true;

    internal bool SeesCancelAgain { get; init; } = true;

    internal bool CancelTakesBack { get; init; } = true;

    internal bool EndDrops { get; init; } = true;

    internal bool FilesAfterEnd { get; init; }

    internal bool FiresAtomically { get; init; } = true;

    internal bool EndsFireAtomically { get; init; } = true;

    internal bool RemovesBeforeItFiles { get; init; } = true;

    /// <summary>Visits all states of two threads, the loop and their operations.</summary>
    internal IReadOnlyList<State> Explore(
        Operation[] first, Operation[] second, Operation[]? own = null, bool ends = false)
        => new Explorer<State>()
            .Actor("clock", static state => state.Now < Last ? [state with { Now = state.Now + 1 }] : [])
            .Actor("loop", LoopSteps)
            .Actor("the loop's own code", state => OwnSteps(state, own ?? []))
            .Actor("end", state => ends ? EndSteps(state) : [])
            .Actor("first", state => SetSteps(state, first, state.First, static (s, at) => s with { First = at }))
            .Actor("second", state => SetSteps(state, second, state.Second, static (s, at) => s with { Second = at }))
            .Always("The state is legal", static state => state.Word.IsLegal)
            .Always("One thread has claimed it, or none", static state
                => state.HasEnded
                    || state.Items + state.Posting + (state.IsLooking ? 1 : 0) == (state.Word.IsClaimed ? 1 : 0))
            .Always("It is in a slot while it is filed", static state
                => !state.Word.IsFiled || state.Slot != NoSlot || state.Loop is At.Taking or At.Ending)
            .Always("It is in no slot while it is idle", static state
                => state.Word != TimerState.Idle || state.Slot == NoSlot)
            .Always("It is linked once", static state => !state.IsLinkedTwice)
            .Always("It is not early", static state => !state.WasEarly)
            .Always("What is due is what was asked for", static state
                => (state.Due == TimerDue.Firing ? Never : state.Due) == state.Asked)
            .Always("The loop looks in time", static state => state.HasEnded || !state.IsAtRest
                || state.Due == Never || (state.Slot != NoSlot && state.Word.LooksAt <= state.Due))
            .Always("A cancelled timer is nowhere, or is looked at soon", static state
                => !state.IsAtRest || !state.IsForgotten || !state.Word.IsFiled
                    || state.Word.LooksAt <= state.Now + Soon)
            .Always("Its slot begins before the loop looks", static state
                => !state.Word.IsFiled || state.Slot <= state.Word.LooksAt)
            .AtTheEnd("It has fired, or was cancelled", static state => state.HasEnded || state.Asked == Never)
            .AtTheEnd("It is nowhere", static state => state is { Items: 0, Slot: NoSlot, Loop: At.Resting })
            .AtTheEnd("It is idle", static state => state.HasEnded || state.Word == TimerState.Idle)
            .AlwaysEnds()
            .Explore(new State
            {
                Due = Never,
                Asked = Never,
                Word = TimerState.Idle,
                Slot = NoSlot,
                First = new Progress(0, At.Writing),
                Second = new Progress(0, At.Writing),
                Own = new Progress(0, At.Writing),
                Again = 1,
            });

    private IEnumerable<State> LoopSteps(State state)
    {
        switch (state.Loop)
        {
            case At.Resting when state.HasEnded:
                if (state.Items != 0)
                {
                    // The pool runs it.
                    yield return state with
                    {
                        Items = state.Items - 1,
                        Loop = FilesAfterEnd ? At.Reading : At.Resting,
                    };
                }

                break;
            case At.Resting when state.Own.At == At.Writing:
                if (state.Items != 0)
                {
                    yield return state with { Items = state.Items - 1, Loop = At.Reading };
                }

                if (state.Slot != NoSlot && state.Slot <= state.Now)
                {
                    yield return state with { Slot = NoSlot, Loop = At.Taking };
                }

                break;
            case At.Taking:
                var (taken, claims) = Take(state.Word);
                yield return state with { Word = taken, Loop = claims ? At.Looking : At.Resting };
                break;
            case At.Looking:
                var (due, fires) = Look(state.Due, state.Now);
                yield return !fires ? state with { Loop = At.Reading }
                    : FiresAtomically ? BeginFire(state, due)
                    : state with { Seen = due, Loop = At.BeginningToFire };
                break;
            case At.BeginningToFire:
                yield return BeginFire(state, state.Seen);
                break;
            case At.Fired when state.Own.At == At.Writing:
                foreach (var next in (long[])(state.Again > 0 && state.Now < Last ? [Never, state.Now + 1] : [Never]))
                {
                    yield return EndsFireAtomically
                        ? EndFiring(state, EndFire(state.Due, next), next)
                        : state with { Seen = EndFire(state.Due, next), Next = next, Loop = At.EndingFire };
                }

                break;
            case At.EndingFire:
                yield return EndFiring(state, state.Seen, state.Next);
                break;
            case At.Reading:
                state = RemovesBeforeItFiles ? state with { Slot = NoSlot } : state;
                yield return state with { Seen = state.Due, Loop = At.Filing };
                break;
            case At.Filing:
                foreach (var begin in Slots(state.Seen))
                {
                    var word = TimerState.File(state.Seen);
                    yield return state with
                    {
                        Word = word,
                        IsLinkedTwice = begin != NoSlot && state.Slot != NoSlot,
                        Slot = begin == NoSlot ? state.Slot : begin,
                        Loop = LooksAgain ? At.LookingAgain : At.Resting,
                    };
                }

                break;
            case At.LookingAgain:
                yield return state with { Seen = state.Due, Loop = At.Claiming };
                break;
            case At.Claiming:
                var (again, mine) = state.Seen == Never && SeesCancelAgain ? Take(state.Word)
                    : Set(state.Word, state.Seen);
                yield return state with { Word = again, Loop = mine ? At.Reading : At.Resting };
                break;
        }
    }

    // A slot may begin before the time that is filed in it.
    private static long[] Slots(long due) => due == Never ? [NoSlot] : due == Last ? [Last, Last - 1] : [due];

    private static State BeginFire(State state, long due) => state with
    {
        Due = due,
        Asked = Never,
        IsCancelled = false,
        IsForgotten = false,
        WasEarly = state.WasEarly || state.Due > state.Now,
        Loop = At.Fired,
    };

    private static State EndFiring(State state, long due, long next) => state with
    {
        Due = due,
        Asked = state.IsCancelled ? state.Asked : Math.Min(state.Asked, next),
        Again = next == Never ? state.Again : state.Again - 1,
        Loop = At.Reading,
    };

    // Code of the loop's thread, between two looks or inside OnDue, where the timer is claimed.
    private IEnumerable<State> OwnSteps(State state, Operation[] operations)
        => state.Loop is At.Resting or At.Fired && !state.HasEnded
            ? SetSteps(state, operations, state.Own, static (s, at) => s with { Own = at }, ownsTimers: true)
            : [];

    // EventLoop.End: between two turns.
    private IEnumerable<State> EndSteps(State state)
    {
        if (state is { Loop: At.Resting, HasEnded: false, Own.At: At.Writing })
        {
            yield return state with { HasEnded = true, Loop = At.Ending };
        }
        else if (state.Loop == At.Ending)
        {
            // The wheel gives it out, and then it is claimed.
            yield return state.Slot != NoSlot && EndDrops
                ? state with { Slot = NoSlot }
                : state with { Word = Take(state.Word).Next, Loop = At.Resting };
        }
    }

    // LoopTimer.Set and LoopTimer.Cancel.
    private IEnumerable<State> SetSteps(
        State state,
        Operation[] operations,
        Progress progress,
        Func<State, Progress, State> set,
        bool ownsTimers = false)
    {
        if (progress.Done == operations.Length)
        {
            yield break;
        }

        var operation = operations[progress.Done];
        var done = new Progress(progress.Done + 1, At.Writing);
        switch (progress.At)
        {
            case At.Writing:
                yield return WritesBeforeItChecks
                    ? set(Write(state, operation), progress with { At = At.Checking })
                    : set(state, progress with { At = At.Checking, Seen = state.Word });
                break;
            case At.Checking when operation.Cancels:
                var takesBack = state.Word.IsFiled && (ownsTimers || state.Word.LooksAt - state.Now > Soon);
                yield return set(state, takesBack && CancelTakesBack ? progress with { At = At.TakingBack } : done);
                break;
            case At.Checking or At.TakingBack:
                var (word, claims) = operation.Cancels ? Take(state.Word) : Set(state.Word, operation.Due);
                if (!WritesBeforeItChecks)
                {
                    state = Write(state, operation);
                    (word, claims) = Set(progress.Seen, operation.Due).Claims ? (word, claims) : (state.Word, false);
                }

                state = state with { Word = word };
                yield return !claims ? set(state, done)
                    : ownsTimers ? set(state with { Loop = At.Reading }, done)
                    : set(state with { Posting = state.Posting + 1 }, progress with { At = At.Posting });
                break;
            case At.Posting:
                state = state with { Posting = state.Posting - 1, Items = state.Items + (Posts ? 1 : 0) };
                yield return set(state, done);
                break;
        }
    }

    private static State Write(State state, Operation operation) => state with
    {
        Due = operation.Due,
        Asked = operation.Due,
        IsCancelled = operation.Due == Never,
        IsForgotten = operation.Cancels,
    };

    /// <summary>How far a thread that sets the timer has come.</summary>
    internal readonly record struct Progress(int Done, At At, TimerState Seen = default);

    internal readonly record struct State
    {
        internal long Now { get; init; }

        internal long Due { get; init; }

        internal TimerState Word { get; init; }

        /// <summary>When the slot begins that the timer is in.</summary>
        internal long Slot { get; init; }

        internal bool IsLinkedTwice { get; init; }

        /// <summary>How often the timer waits in the loop's queue.</summary>
        internal int Items { get; init; }

        /// <summary>How many threads have claimed the timer and will post it.</summary>
        internal int Posting { get; init; }

        /// <summary>When the timer has to fire, by what has been done to it.</summary>
        internal long Asked { get; init; }

        /// <summary>Whether it was cancelled since it began to fire.</summary>
        internal bool IsCancelled { get; init; }

        /// <summary>Whether the last operation was a cancel.</summary>
        internal bool IsForgotten { get; init; }

        internal bool WasEarly { get; init; }

        /// <summary>How often it may ask to fire again.</summary>
        internal int Again { get; init; }

        internal long Seen { get; init; }

        internal long Next { get; init; }

        internal At Loop { get; init; }

        internal Progress First { get; init; }

        internal Progress Second { get; init; }

        internal Progress Own { get; init; }

        internal bool HasEnded { get; init; }

        /// <summary>Whether no thread is in the middle of something.</summary>
        internal bool IsAtRest
            => Loop == At.Resting
                && Items == 0
                && First.At == At.Writing
                && Second.At == At.Writing
                && Own.At == At.Writing;

        /// <summary>Whether the loop looks at the timer, which is then claimed.</summary>
        internal bool IsLooking => Loop is >= At.Looking and <= At.Filing;
    }
}
