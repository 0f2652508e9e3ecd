using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Two threads, one of which runs a loop, and a supervisor that hands the loop from one to the other: all orders of
/// what they do.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class DispatchStateTests
{
    private const int Callbacks = 3;

    /// <summary>What a thread does next.</summary>
    private enum At
    {
        Parked,

        /// <summary>It has the loop and runs the loop's own code.</summary>
        Loop,

        Callback,
        NestedCallback,

        /// <summary>The callback has returned, and the thread has read its word.</summary>
        Ending,

        /// <summary>It has found that it has lost the loop.</summary>
        Lost,
    }

    [Fact]
    public void Every_event_leads_from_a_legal_state_to_a_legal_one()
    {
        var idle = default(ActivityState);
        var running = idle.Begin();
        var stuck = running.Take();
        var next = running.End();

        Assert.Equal((false, false, true), Describe(idle));
        Assert.Equal((true, false, true), Describe(running));
        Assert.Equal((false, true, true), Describe(stuck));
        Assert.Equal(next, stuck.End());
        Assert.Equal((false, false, true), Describe(next));
        Assert.Equal(4, new[] { idle, running, stuck, next }.Distinct().Count());
        Assert.NotEqual(running, next.Begin());

        // What is not a transition: a loop is taken only from a callback that runs.
        Assert.False(idle.Take().IsLegal);
    }

    [Fact]
    public void The_numbers_begin_again_after_the_last_one()
    {
        var last = new ActivityState(int.MaxValue);

        Assert.Equal((true, false, true), Describe(last));
        Assert.Equal(default, last.End());
        Assert.Equal((false, true, true), Describe(last.Take()));
        Assert.Equal(default, last.Take().End());
    }

    [Fact]
    public void The_word_moves_as_the_state_does()
    {
        var word = default(ActivityWord);
        word.Begin();
        var first = word.Read();
        Assert.Equal(default(ActivityState).Begin(), first);
        Assert.True(word.TryEnd());
        Assert.False(word.TryTake(first));

        word.Begin();
        var second = word.Read();
        Assert.True(word.TryTake(second));
        Assert.Equal(second.Take(), word.Read());
        Assert.False(word.TryTake(second));
        Assert.False(word.TryEnd());
        word.EndStuck();
        Assert.Equal(second.End(), word.Read());
    }

    /// <summary>
    /// The first callback returns only when the second has begun, so the loop must be handed off. The last begins a
    /// nested one.
    /// </summary>
    [Fact]
    public void A_loop_has_one_owner_and_no_callback_is_lost()
    {
        var states = new Explorer<Model>()
            .Actor("thread A", static model => ThreadSteps(model, model.A, static (m, thread) => m with { A = thread }))
            .Actor("thread B", static model => ThreadSteps(model, model.B, static (m, thread) => m with { B = thread }))
            .Actor("supervisor", SupervisorSteps)
            .Always("States are legal", static model => model.A.Word.IsLegal && model.B.Word.IsLegal)
            .Always("One thread at most has the loop", static model => !(model.A.HasLoop && model.B.HasLoop))
            .Always("Callbacks begin once", static model => model.Begun <= Callbacks)
            .Always("What is taken was running", static model => model.Returned <= model.Taken)
            .AtTheEnd("All callbacks have begun", static model => model.Begun == Callbacks)
            .AtTheEnd("All threads have returned", static model => Returned(model.A) && Returned(model.B))
            .AtTheEnd("One thread has the loop", static model => model.A.HasLoop || model.B.HasLoop)
            .AtTheEnd("Each that was stuck has said so once", static model => model.Returned == model.Taken)
            .Explore(new Model { A = new Thread { At = At.Loop }, Owner = 'A' });

        // A loop may be handed off, and handed back.
        Assert.Contains(states, static model => model.Taken == 2);
        Assert.Contains(states, static model => model is { Taken: 0, Begun: > 0 });
    }

    private static bool Returned(Thread thread)
        => thread.At is At.Loop or At.Parked && thread.Word is { IsRunning: false, IsStuck: false };

    private static IEnumerable<Model> ThreadSteps(Model model, Thread own, Func<Model, Thread, Model> set)
    {
        switch (own.At)
        {
            case At.Loop when model.Begun < Callbacks:
                yield return set(
                    model with { Begun = model.Begun + 1 },
                    own with { At = At.Callback, Word = own.Word.Begin(), Number = model.Begun });
                break;
            case At.Callback when own.Number == Callbacks - 1 && !own.HasNested:
                yield return set(model, own with { At = At.NestedCallback, HasNested = true });
                break;
            case At.Callback when own.Number != 0 || model.Begun > 1:
                yield return set(model, own with { At = At.Ending, Read = own.Word });
                break;
            case At.NestedCallback:
                yield return set(model, own with { At = At.Callback });
                break;
            case At.Ending:
                // ActivityWord.TryEnd: a compare-and-swap, if the word was running when it was read.
                yield return own.Read.IsRunning && own.Word == own.Read
                    ? set(model, own with { At = At.Loop, Word = own.Read.End(), HasNested = false })
                    : set(model, own with { At = At.Lost });
                break;
            case At.Lost:
                yield return set(
                    model with { Returned = model.Returned + 1 },
                    own with { At = At.Parked, Word = own.Word.End(), HasNested = false });
                break;
        }
    }

    /// <summary>Looks at the owner's word, and takes the loop away from a callback that it has seen before.</summary>
    private static IEnumerable<Model> SupervisorSteps(Model model)
    {
        var owner = model.Owner == 'A' ? model.A : model.B;
        var other = model.Owner == 'A' ? model.B : model.A;
        if (owner.Word != model.LastSeen)
        {
            yield return model with { LastSeen = owner.Word, IsOverdue = false };
        }
        else if (owner.Word.IsRunning && !model.IsOverdue)
        {
            yield return model with { IsOverdue = true };
        }

        // After the look, so the word may have moved.
        if (model.IsOverdue && other.At == At.Parked)
        {
            yield return owner.Word == model.LastSeen ? HandOff(model, owner, other) : model with { IsOverdue = false };
        }
    }

    private static Model HandOff(Model model, Thread owner, Thread other)
    {
        owner = owner with { Word = model.LastSeen.Take() };
        other = other with { At = At.Loop };
        model = model with { IsOverdue = false, Taken = model.Taken + 1, LastSeen = other.Word };
        return model.Owner == 'A'
            ? model with { Owner = 'B', A = owner, B = other }
            : model with { Owner = 'A', A = other, B = owner };
    }

    private static (bool IsRunning, bool IsStuck, bool IsLegal) Describe(ActivityState state)
        => (state.IsRunning, state.IsStuck, state.IsLegal);

    private readonly record struct Thread(At At, ActivityState Word, ActivityState Read, int Number, bool HasNested)
    {
        /// <summary>Whether the thread would touch the loop, now or when its callback returns.</summary>
        public bool HasLoop => At == At.Loop || (At is At.Callback or At.NestedCallback or At.Ending && Word.IsRunning);
    }

    private readonly record struct Model(
        Thread A, Thread B, char Owner, ActivityState LastSeen, bool IsOverdue, int Begun, int Taken, int Returned);
}
