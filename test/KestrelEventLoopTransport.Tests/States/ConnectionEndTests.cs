using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Descriptors;
using static KestrelEventLoopTransport.Connections.ConnectionEndFlags;
using static KestrelEventLoopTransport.Tests.States.ConnectionEndFacts;
using static KestrelEventLoopTransport.Tests.States.ConnectionEndStep;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The states at the end of a connection, and every order in which the acceptor, the loop, an abort, a dispose, a
/// sender and a thread that borrows the descriptor come together.
/// </summary>
public class ConnectionEndTests
{
    public static TheoryData<string> Bugs => new(ConnectionEndBugs.All.Keys);

    [Fact]
    public void Every_event_takes_every_state_to_a_legal_one()
    {
        var states = new HashSet<ConnectionEndState> { default };
        var open = new Queue<ConnectionEndState>(states);
        while (open.TryDequeue(out var state))
        {
            foreach (var (next, action) in Events(state))
            {
                Assert.True(next.IsLegal, $"{state} -> {next}");
                Assert.True(next.Phase >= state.Phase, $"{state} -> {next}");
                Assert.Equal(ConnectionEndFlags.None, state.Flags & ~next.Flags & ~Lingers);
                Assert.Equal(next.IsFinished && !state.IsFinished, action == ConnectionEndAction.Finish);
                Assert.False(state.IsFinished && !next.IsFinished, $"{state} -> {next}");
                Assert.Equal(next, ConnectionEndState.FromWord(next.ToWord()));
                if (states.Add(next))
                {
                    open.Enqueue(next);
                }
            }
        }

        // None of the legal states is only there in the comment.
        var legal = from phase in Enum.GetValues<ConnectionPhase>()
                    from flags in Enumerable.Range(0, 2 * (int)Expired)
                    let state = new ConnectionEndState(phase, (ConnectionEndFlags)flags)
                    where state.IsLegal
                    select state;
        Assert.True(states.SetEquals(legal));
    }

    [Fact]
    public void A_connection_that_is_aborted_does_not_linger()
    {
        var closing = ConnectionEnd.BeginClose(default, lingers: true).Next;

        Assert.True(closing.Has(Lingers));
        Assert.False(ConnectionEnd.Abort(closing, resets: false).Has(Lingers));
        var aborted = ConnectionEnd.Abort(default, resets: false);
        Assert.False(ConnectionEnd.BeginClose(aborted, lingers: true).Next.Has(Lingers));
    }

    [Fact]
    public void A_limit_stops_the_halves_when_ConnectionClosed_has_fired()
    {
        var (expired, first) = ConnectionEnd.Expire(default, resets: false);
        var (announced, then) = ConnectionEnd.End(expired, Announced);
        var (late, all) = ConnectionEnd.Expire(new(ConnectionPhase.Open, Announcing | Announced), resets: false);

        Assert.Equal((ConnectionPhase.Open, ConnectionEndAction.Announce), (expired.Phase, first));
        Assert.Equal((ConnectionPhase.Closing, ConnectionEndAction.StopHalves), (announced.Phase, then));
        Assert.Equal((ConnectionPhase.Closing, ConnectionEndAction.StopHalves), (late.Phase, all));
    }

    [Fact]
    public void A_descriptor_that_is_gone_is_not_reset()
    {
        var closed = ConnectionEnd.EndClose(ConnectionEnd.BeginClose(default, lingers: false).Next).Next;

        Assert.False(ConnectionEnd.Abort(closed, resets: true).Has(Resets));
        Assert.True(ConnectionEnd.Abort(default, resets: true).Has(Resets));
    }

    [Fact]
    public void A_connection_ends_once_and_completely_whatever_ends_it()
    {
        foreach (var explore in Explorations(ConnectionEndTransitions.Real))
        {
            Assert.NotEmpty(explore());
        }
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_that(string bug)
        => Assert.Contains(Explorations(ConnectionEndBugs.All[bug]), IllegalStateException.IsThrownBy);

    private static IEnumerable<(ConnectionEndState Next, ConnectionEndAction Action)> Events(ConnectionEndState state)
    {
        yield return (ConnectionEnd.Abort(state, resets: false), ConnectionEndAction.None);
        yield return (ConnectionEnd.Abort(state, resets: true), ConnectionEndAction.None);
        yield return ConnectionEnd.Expire(state, resets: false);
        yield return ConnectionEnd.Expire(state, resets: true);
        yield return ConnectionEnd.BeginClose(state, lingers: false);
        yield return ConnectionEnd.BeginClose(state, lingers: true);
        yield return ConnectionEnd.Begin(state, Disposing, ConnectionEndAction.CompletePipes);
        yield return ConnectionEnd.Begin(state, Announcing, ConnectionEndAction.Announce);
        foreach (var isReceived in new[] { false, true })
        {
            yield return ConnectionEnd.FinishPeer(state, isReceived, closes: false);
            yield return ConnectionEnd.FinishPeer(state, isReceived, closes: true);
        }

        yield return ConnectionEnd.EndSending(state);
        yield return (ConnectionEnd.TakeToken(state), ConnectionEndAction.None);
        if (state.HasAll(ConnectionEndFlags.PeerFinished | TokenTaken) && !state.Has(ConnectionEndFlags.TokenFired))
        {
            yield return ConnectionEnd.End(state, ConnectionEndFlags.TokenFired);
        }

        if (state.Phase == ConnectionPhase.Closing)
        {
            yield return ConnectionEnd.EndClose(state);
        }

        foreach (var (begun, ended) in new[] { (Disposing, Disposed), (Announcing, Announced) })
        {
            if (state.Has(begun) && !state.Has(ended))
            {
                yield return ConnectionEnd.End(state, ended);
            }
        }
    }

    private static IEnumerable<Func<IReadOnlyCollection<ConnectionEndModel>>> Explorations(
        ConnectionEndTransitions transitions)
    {
        var program = new ConnectionEndProgram(transitions);
        yield return () => Explore(program, program.Start(PeerResets, sends: true, borrows: true));
        yield return () => Explore(program, program.Start(PeerFinishes, GiveReason, sends: true));
        yield return () => Explore(program, program.Start(Nothing, GiveReason, disposes: true, disposesTwice: true));
        yield return () => Explore(
            program, program.Start(PeerFinishes, halfCloses: true, finishes: true, takesToken: true));
        yield return () => Explore(
            program, program.Start(PeerFinishes, halfCloses: true, resetsLater: true, takesToken: true));
        yield return () => Explore(program, program.Start(PeerFinishes, disposes: true, takesToken: true));
        yield return () => Explore(
            program, program.Start(Nothing, GiveReasonOfLimit, sends: true), announcesFirst: true);
        foreach (var limit in new[] { GiveReasonOfLimit, GiveReasonOfLimitForASecond })
        {
            foreach (var peer in new[] { Nothing, PeerResets, PeerFinishes })
            {
                yield return () => Explore(program, program.Start(peer, limit, disposes: true, sends: true));
                yield return () => Explore(program, program.Start(peer, limit, halfCloses: true, takesToken: true));
            }

            yield return () => Explore(program, program.Start(PeerFinishes, limit, halfCloses: true, finishes: true));
        }

        foreach (var abort in new[] { Nothing, GiveReason, GiveReasonToReset })
        {
            yield return () => Explore(
                program, program.Start(PeerFinishes, abort, disposes: true, halfCloses: true, takesToken: true));
            yield return () => Explore(
                program, program.Start(PeerFinishes, abort, disposes: true, halfCloses: true, finishes: true));
            yield return () => Explore(
                program, program.Start(PeerFinishes, abort, disposes: true, halfCloses: true, resetsLater: true));
        }

        foreach (var peer in new[] { PeerResets, PeerFinishes, Nothing })
        {
            foreach (var abort in new[] { Nothing, GiveReason, GiveReasonToReset })
            {
                yield return () => Explore(program, program.Start(peer, abort, disposes: true, borrows: true));
                yield return () => Explore(program, program.Start(peer, abort, disposes: true, sends: true));
            }
        }
    }

    private static IReadOnlyCollection<ConnectionEndModel> Explore(
        ConnectionEndProgram program, ConnectionEndModel first, bool announcesFirst = false)
    {
        var disposes = !first.Threads.Disposing.IsEmpty;
        var explorer = new Explorer<ConnectionEndModel>()
            .Always("No rule is broken", model => model.Broken is null)
            .Always(
                "A limit stops the input after the callbacks of ConnectionClosed",
                model => !announcesFirst || !model.Has(InputStopped) || model.Has(ClosedFired))
            .Always("The state is legal", model => model.End.IsLegal)
            .Always("The descriptor's state is legal", model => DescriptorHandle.IsLegal(model.Descriptor))
            .AtTheEnd("Every thread is done", model => model.Threads.AreDone)
            .AtTheEnd("The descriptor is closed", model => model.Has(DescriptorClosed))
            .AtTheEnd("The owner knows", model => model.Has(OwnerToldOfConnection))
            .AtTheEnd("The phase is the last", model => model.End.Phase == ConnectionPhase.Closed)
            .AtTheEnd("ConnectionClosed has fired", model => model.Has(ClosedFired))
            .AtTheEnd(
                "PeerFinished has fired if its token was taken before",
                model => ConnectionEndProgram.IsTokenDue(model) == model.Has(ConnectionEndFacts.TokenFired))
            .AtTheEnd("An abort is remembered", model => model.Has(ReasonGiven) == model.End.Has(Aborted))
            .AtTheEnd("DisposeAsync has completed", model => model.Has(DisposeReturned) == disposes)
            .AtTheEnd("A disposed connection is finished", model => model.End.IsFinished == disposes);
        for (var i = 0; i < ConnectionEndThreads.Names.Length; i++)
        {
            var thread = i;
            explorer.Actor(ConnectionEndThreads.Names[thread], model => program.Next(model, thread));
        }

        return explorer.Explore(first);
    }
}
