using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A timer that two threads set and cancel while its loop files it, looks at it and lets it fire, with the transitions
/// that it is given. The steps are those of <see cref="LoopTimer"/>. There are three times: 0, 1 and 2.
/// </summary>
internal sealed record TimerModel
{
    internal const long Never = TimerDue.Never;

    private const long Last = 2;
    private const long NoSlot = -1;

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

        // A thread that sets.
        Writing,
        Checking,
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

    internal bool FiresAtomically { get; init; } = true;

    internal bool EndsFireAtomically { get; init; } = true;

    internal bool RemovesBeforeItFiles { get; init; } = true;

    /// <summary>Visits all states of two threads and their operations.</summary>
    internal IReadOnlyList<State> Explore(Operation[] first, Operation[] second)
        => new Explorer<State>()
            .Actor("clock", static state => state.Now < Last ? [state with { Now = state.Now + 1 }] : [])
            .Actor("loop", LoopSteps)
            .Actor("first", state => SetSteps(state, first, state.First, static (s, at) => s with { First = at }))
            .Actor("second", state => SetSteps(state, second, state.Second, static (s, at) => s with { Second = at }))
            .Always("The state is legal", static state => state.Word.IsLegal)
            .Always("One thread has claimed it, or none", static state
                => state.Items + state.Posting + (state.IsLooking ? 1 : 0) == (state.Word.IsClaimed ? 1 : 0))
            .Always("It is in a slot while it is filed", static state
                => !state.Word.IsFiled || state.Slot != NoSlot || state.Loop == At.Taking)
            .Always("It is in no slot while it is idle", static state
                => state.Word != TimerState.Idle || state.Slot == NoSlot)
            .Always("It is linked once", static state => !state.IsLinkedTwice)
            .Always("It is not early", static state => !state.WasEarly)
            .Always("What is due is what was asked for", static state
                => (state.Due == TimerDue.Firing ? Never : state.Due) == state.Asked)
            .Always("The loop looks in time", static state
                => !state.IsAtRest || state.Due == Never || (state.Slot != NoSlot && state.Slot <= state.Due))
            .AtTheEnd("It has fired, or was cancelled", static state => state.Asked == Never)
            .AtTheEnd("It is nowhere", static state => state is { Items: 0, Slot: NoSlot, Loop: At.Resting })
            .AtTheEnd("It is idle", static state => state.Word == TimerState.Idle)
            .AlwaysEnds()
            .Explore(new State
            {
                Due = Never,
                Asked = Never,
                Word = TimerState.Idle,
                Slot = NoSlot,
                First = new Progress(0, At.Writing),
                Second = new Progress(0, At.Writing),
                Again = 1,
            });

    private IEnumerable<State> LoopSteps(State state)
    {
        switch (state.Loop)
        {
            case At.Resting:
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
            case At.Fired:
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
                    var word = begin == NoSlot ? TimerState.Idle : TimerState.File(Math.Min(begin, state.Seen));
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
                var (again, mine) = Set(state.Word, state.Seen);
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

    // LoopTimer.Set and LoopTimer.Cancel.
    private IEnumerable<State> SetSteps(
        State state, Operation[] operations, Progress progress, Func<State, Progress, State> set)
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
            case At.Checking:
                var (word, claims) = operation.Cancels ? Take(state.Word) : Set(state.Word, operation.Due);
                if (!WritesBeforeItChecks)
                {
                    state = Write(state, operation);
                    (word, claims) = Set(progress.Seen, operation.Due).Claims ? (word, claims) : (state.Word, false);
                }

                state = state with { Word = word, Posting = state.Posting + (claims ? 1 : 0) };
                yield return set(state, claims ? progress with { At = At.Posting } : done);
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

        internal bool WasEarly { get; init; }

        /// <summary>How often it may ask to fire again.</summary>
        internal int Again { get; init; }

        internal long Seen { get; init; }

        internal long Next { get; init; }

        internal At Loop { get; init; }

        internal Progress First { get; init; }

        internal Progress Second { get; init; }

        /// <summary>Whether no thread is in the middle of something.</summary>
        internal bool IsAtRest
            => Loop == At.Resting && Items == 0 && First.At == At.Writing && Second.At == At.Writing;

        /// <summary>Whether the loop looks at the timer, which is then claimed.</summary>
        internal bool IsLooking => Loop is >= At.Looking and <= At.Filing;
    }
}
