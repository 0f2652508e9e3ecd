using System.Reflection;
using KestrelEventLoopTransport.Connections.Output;
using static KestrelEventLoopTransport.Connections.Output.OutputFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Every state that events lead to, from any other, in a single thread.</summary>
public class OutputStateTests
{
    private static readonly Lazy<List<OutputMove>> _moves = new(Explore);

    [Fact]
    public void Exactly_the_legal_states_are_reached()
    {
        var reached = _moves.Value.Select(move => move.After).Append(OutputFlags.None).ToHashSet();

        var all = Enum.GetValues<OutputFlags>().Aggregate((flags, flag) => flags | flag);
        var states = Enumerable.Range(0, (int)all + 1).Select(flags => (OutputFlags)flags);
        Assert.DoesNotContain(reached, flags => !OutputTransitions.IsLegal(flags));
        Assert.DoesNotContain(states.Where(OutputTransitions.IsLegal), flags => !reached.Contains(flags));
    }

    [Fact]
    public void A_thread_sends_exactly_if_it_has_set_Sending_or_keeps_it()
    {
        foreach (var move in Changes())
        {
            var sets = Sets(move, Sending);
            var keeps = Has(move.Before, Sending) && Has(move.After, Sending) && Clears(move, Again | Edge);
            Assert.True(Does(move, OutputAction.Send) == (sets || keeps), $"{move}");
        }
    }

    [Fact]
    public void The_thread_that_clears_a_bit_does_what_the_bit_stands_for()
    {
        foreach (var move in Changes())
        {
            Assert.True(Does(move, OutputAction.FreeChain) == Clears(move, HasChain), $"{move}");
            Assert.True(!Clears(move, Draining) || Does(move, OutputAction.ReportDrained), $"{move}");
            Assert.True(!Clears(move, FlushParked) || Completes(move) != Sets(move, FlushReady), $"{move}");
            Assert.True(!Clears(move, FlushReady) || Completes(move), $"{move}");
            Assert.True(!Clears(move, Deferred) || Sets(move, Sending), $"{move}");
        }
    }

    [Fact]
    public void The_thread_that_sets_a_bit_does_what_the_bit_stands_for()
    {
        foreach (var move in Changes())
        {
            Assert.True(Does(move, OutputAction.ReleaseDescriptor) == Sets(move, Released), $"{move}");
            Assert.True(Does(move, OutputAction.ReportFinished) == Sets(move, Finished), $"{move}");
            Assert.True(Does(move, OutputAction.ReportFailure) == Sets(move, Failed), $"{move}");
            Assert.True(Does(move, OutputAction.QueueWork) == Sets(move, Queued | FlushReady), $"{move}");
        }
    }

    [Fact]
    public void Failed_Finished_Stopped_and_Released_stay()
        => Assert.DoesNotContain(_moves.Value, move => Clears(move, Failed | Finished | Stopped | Released));

    [Theory]
    [InlineData(nameof(OutputTransitions.OnWritable))]
    [InlineData(nameof(OutputTransitions.Uncork))]
    [InlineData(nameof(OutputTransitions.TakeWork))]
    [InlineData(nameof(OutputTransitions.Stop))]
    public void A_repeated_event_changes_nothing_where_another_thread_sends(string name)
    {
        var transition = typeof(OutputTransitions)
            .GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic)!
            .CreateDelegate<Func<OutputFlags, OutputMove>>();
        foreach (var move in _moves.Value.Where(move => Has(move.After, Sending)))
        {
            var second = transition(transition(move.After).After);

            Assert.Equal(second.Before, second.After);
            Assert.Equal(OutputAction.None, second.Action);
        }
    }

    private static List<OutputMove> Explore()
    {
        var moves = new List<OutputMove>();
        var seen = new HashSet<OutputFlags> { OutputFlags.None };
        var open = new Queue<OutputFlags>(seen);
        while (open.TryDequeue(out var flags))
        {
            foreach (var move in Events(flags))
            {
                moves.Add(move);
                if (seen.Add(move.After))
                {
                    open.Enqueue(move.After);
                }
            }
        }

        return moves;
    }

    /// <summary>Everything that may happen in a state.</summary>
    private static IEnumerable<OutputMove> Events(OutputFlags flags)
    {
        yield return OutputTransitions.OnWritable(flags);
        yield return OutputTransitions.Uncork(flags);
        yield return OutputTransitions.TakeWork(flags);
        yield return OutputTransitions.ReleaseFlush(flags, OutputFlags.None);
        yield return OutputTransitions.ReleaseFlush(flags, FlushCanceled);
        yield return OutputTransitions.ReleaseFlush(flags, TokenCanceled);
        yield return OutputTransitions.Expire(flags);
        yield return OutputTransitions.Revive(flags);
        yield return OutputTransitions.TakeCancellation(flags);
        yield return OutputTransitions.ForgetToken(flags);
        yield return OutputTransitions.Stop(flags);
        if (Has(flags, Sending))
        {
            foreach (var outcome in Outcomes(flags))
            {
                yield return OutputTransitions.EndSend(flags, outcome, hasRoom: false, completesFlush: false);
                yield return OutputTransitions.EndSend(flags, outcome, hasRoom: true, completesFlush: false);
                yield return OutputTransitions.EndSend(flags, outcome, hasRoom: true, completesFlush: true);
            }
        }

        // The writer's, until it is completed.
        if (!Has(flags, Draining))
        {
            foreach (var move in WriterEvents(flags))
            {
                yield return move;
            }
        }
    }

    /// <summary>Without bytes, a sender does nothing but send the FIN.</summary>
    private static IEnumerable<SendOutcome> Outcomes(OutputFlags flags)
        => Has(flags, Stopped) ? Enum.GetValues<SendOutcome>()
            : !Has(flags, Finishing) ? Enum.GetValues<SendOutcome>().Where(outcome => outcome != SendOutcome.Finished)
            : Has(flags, HasChain) ? Enum.GetValues<SendOutcome>()
            : [SendOutcome.Finished, SendOutcome.Failed];

    private static IEnumerable<OutputMove> WriterEvents(OutputFlags flags)
    {
        if (Has(flags, Finishing | Finished))
        {
            // The writer can only complete.
            return [OutputTransitions.Publish(flags, Deferral.None), OutputTransitions.BeginDrain(flags)];
        }

        return WritingEvents(flags);
    }

    private static IEnumerable<OutputMove> WritingEvents(OutputFlags flags)
    {
        foreach (var deferral in Enum.GetValues<Deferral>())
        {
            yield return OutputTransitions.Publish(flags, deferral);
        }

        if (Has(flags, Open))
        {
            yield break;
        }

        yield return Has(flags, HasChain) ? OutputTransitions.ReopenChain(flags) : OutputTransitions.OpenChain(flags);
        yield return OutputTransitions.BeginDrain(flags);
        yield return OutputTransitions.BeginFinish(flags);
        if (!Has(flags, FlushParked | FlushReady))
        {
            yield return OutputTransitions.ParkFlush(flags, isFull: false);
            yield return OutputTransitions.ParkFlush(flags, isFull: true);
        }
    }

    private static IEnumerable<OutputMove> Changes() => _moves.Value.Where(move => move.Before != move.After);

    private static bool Has(OutputFlags flags, OutputFlags bits) => (flags & bits) != 0;

    private static bool Sets(OutputMove move, OutputFlags bits) => Has(move.After & ~move.Before, bits);

    private static bool Clears(OutputMove move, OutputFlags bits) => Has(move.Before & ~move.After, bits);

    private static bool Completes(OutputMove move) => Does(move, OutputAction.CompleteFlush);

    private static bool Does(OutputMove move, OutputAction action) => (move.Action & action) != 0;
}
