using KestrelEventLoopTransport.Connections.Input;
using static KestrelEventLoopTransport.Connections.Input.InputFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The steps of those that change a connection's input. Each is one atomic operation on the word, or one action between
/// two of them, in the order of <see cref="ConnectionInput"/>.
/// </summary>
internal sealed class InputActors(InputMoves moves, int bytes)
{
    public IEnumerable<InputModel> Peer(InputModel state)
    {
        if (!state.IsFinished)
        {
            yield return state.Sent < bytes
                ? state with { Sent = (byte)(state.Sent + 1), HasEdge = true }
                : state with { IsFinished = true, HasEdge = true };
        }
    }

    public IEnumerable<InputModel> Loop(InputModel state)
    {
        if (state.Loop != AheadPlace.Idle)
        {
            return Ahead(state, state.Loop, static (state, place) => state with { Loop = place });
        }

        if (!state.HasEdge)
        {
            return [];
        }

        var flags = state.IsFinished ? Ready | MustDrain | PeerFinished : Ready;
        return new[] { false, true }.Select(claims =>
        {
            var next = Move(state with { HasEdge = false }, moves.OnEdge(state.Flags, flags, claims));
            var isResumed = (state.Flags & ~next.Flags & Parked) != 0;
            return !isResumed && (next.Flags & (Held | Full)) == Held ? next with { Loop = AheadPlace.Begins } : next;
        });
    }

    public IEnumerable<InputModel> Watch(InputModel state)
    {
        if (state.Watch != AheadPlace.Idle)
        {
            return Ahead(state, state.Watch, static (state, place) => state with { Watch = place });
        }

        if (state.WatchEntries == 0)
        {
            return [];
        }

        if (moves.TryUnwatch(state.Flags, out var unwatched))
        {
            return [state with { Flags = unwatched, WatchEntries = (byte)(state.WatchEntries - 1) }];
        }

        // It looks again and again until the reader has come, or until it can receive.
        return moves.TryBeginReceive(state.Flags, Ended, out var begun)
            ? [state with { Flags = begun, Watch = AheadPlace.Receives, IsFull = false }]
            : [];
    }

    public IEnumerable<InputModel> Reader(InputModel state)
    {
        switch (state.Reader)
        {
            case ReaderPlace.Idle when state.HasTimedOut && state.Has(TimedOut):
                return [];
            case ReaderPlace.Idle when state.ReadsLeft > 0:
                return [state with { Reader = ReaderPlace.Looks, ReadsLeft = (byte)(state.ReadsLeft - 1) }];
            case ReaderPlace.Looks when state.Has(Canceled):
                var cleared = state with { Flags = state.Flags & ~Canceled, IsWaiting = false };
                return [cleared with { Reader = ReaderPlace.Rewatches }];
            case ReaderPlace.Looks when state.Has(TimedOut) && !InputTransitions.WeHaveEnded(state.Flags):
                var failed = state with { HasTimedOut = true, IsWaiting = false };
                var place = moves.RewatchesAfterDeadline ? ReaderPlace.Rewatches : ReaderPlace.Idle;
                return [failed with { Reader = place }];
            case ReaderPlace.Looks:
                var isOver = state.Has(TokenCanceled) || state.Unexamined > 0 || state.EndIsTaken
                    || InputTransitions.WeHaveEnded(state.Flags);
                return [state with { Reader = isOver ? ReaderPlace.TakesResult : ReaderPlace.BeginsTaking }];
            case ReaderPlace.BeginsTaking:
                return moves.TryBeginTake(state.Flags, out var taking)
                    ? [state with { Flags = taking, Reader = ReaderPlace.Takes }]
                    : [state with { Reader = ReaderPlace.BeginsReceive }];
            case ReaderPlace.Takes:
                return [Give(state, state.Received, state.EndIsReceived) with { Reader = ReaderPlace.EndsTaking }];
            case ReaderPlace.EndsTaking:
                return [End(state, None, Held, watches: true) with { Reader = ReaderPlace.Looks }];
            case ReaderPlace.BeginsReceive:
                return moves.TryBeginReceive(state.Flags, moves.ReaderUnless, out var receiving)
                    ? [state with { Flags = receiving, Reader = ReaderPlace.Receives }]
                    : [state with { Reader = ReaderPlace.Parks, IsWaiting = true }];
            case ReaderPlace.Receives:
                return Receive(state).Select(next => Give(next, next.Received, next.EndIsReceived) with
                {
                    Reader = ReaderPlace.EndsReceive,
                    Fault = state.Held > 0 ? InputFault.OutOfOrder : next.Fault,
                });
            case ReaderPlace.EndsReceive:
                var received = End(state, state.More ? Ready : None, None, watches: state.More);
                return [received with { Reader = ReaderPlace.Looks }];
            case ReaderPlace.Parks:
                return moves.TryPark(state.Flags, out var parked)
                    ? [state with { Flags = parked, Reader = ReaderPlace.IsParked }]
                    : [state with { Reader = ReaderPlace.Looks, IsWaiting = false }];
            case ReaderPlace.IsQueued:
                return [state with { Flags = state.Flags & ~Claimed, Reader = ReaderPlace.Looks }];
            case ReaderPlace.TakesResult:
                return [TakeResult(state with { IsWaiting = false })];
            case ReaderPlace.Advances:
                return moves.ContinuesAhead && state.Has(Full) && state.HasRoomAgain
                    ? [state with { Flags = state.Flags & ~Full, Reader = ReaderPlace.Rewatches }]
                    : [state with { Reader = ReaderPlace.Idle }];
            case ReaderPlace.Rewatches:
                return [Rewatch(state) with { Reader = ReaderPlace.Idle }];
            default:
                return [];
        }
    }

    public IEnumerable<InputModel> Canceller(InputModel state)
    {
        if (!state.HasCanceled)
        {
            yield return Move(state with { HasCanceled = true }, moves.SetAndUnpark(state.Flags, Canceled));
        }
    }

    public IEnumerable<InputModel> Token(InputModel state)
    {
        if (!state.HasFired && state.IsWaiting)
        {
            yield return Move(state with { HasFired = true }, moves.SetAndUnpark(state.Flags, TokenCanceled));
        }
    }

    /// <summary>The read deadline passes, and is moved into the future afterwards.</summary>
    public IEnumerable<InputModel> Deadline(InputModel state)
    {
        switch (state.DeadlineMoves)
        {
            case 0:
                yield return Move(state with { DeadlineMoves = 1 }, moves.SetAndUnpark(state.Flags, TimedOut));
                break;
            case 1:
                yield return Move(state with { DeadlineMoves = 2 }, moves.Revive(state.Flags));
                break;
        }
    }

    /// <summary>Dispose, at any time.</summary>
    public IEnumerable<InputModel> Completer(InputModel state)
    {
        if (!state.HasCompleted)
        {
            var completed = state with { HasCompleted = true, MustFree = true };
            yield return Move(completed, moves.SetAndUnpark(state.Flags, Completed));
        }
        else if (state.MustFree)
        {
            yield return (state.Has(Busy) ? state : Free(state)) with { MustFree = false };
        }
    }

    /// <summary>An abort.</summary>
    public IEnumerable<InputModel> Stopper(InputModel state)
    {
        if (!state.HasStopped)
        {
            yield return Move(state with { HasStopped = true }, moves.Stop(state.Flags));
        }
    }

    /// <summary>The output is drained: the connection ends.</summary>
    public IEnumerable<InputModel> Closer(InputModel state)
    {
        switch (state.Closer)
        {
            case CloserPlace.Begins:
                return [Move(state with { Closer = CloserPlace.SetsReady }, moves.SetAndUnpark(state.Flags, Closing))];
            case CloserPlace.SetsReady:
                return [state with { Flags = state.Flags | Ready, Closer = CloserPlace.BeginsDiscard }];
            case CloserPlace.BeginsDiscard:
                return moves.TryBeginReceive(state.Flags, None, out var begun)
                    ? [state with { Flags = begun, Closer = CloserPlace.Discards }]
                    : [state with { Closer = CloserPlace.Stops }];
            case CloserPlace.Discards:
                // What is thrown away is neither held nor the reader's.
                return [Call(state) with { Sent = state.Received, Closer = CloserPlace.EndsDiscard }];
            case CloserPlace.EndsDiscard:
                return [End(state, None, None, watches: false) with { Closer = CloserPlace.Stops }];
            case CloserPlace.Stops:
                return [Move(state with { Closer = CloserPlace.IsDone, HasStopped = true }, moves.Stop(state.Flags))];
            default:
                return [];
        }
    }

    private static InputModel Give(InputModel state, byte taken, bool end) => state with
    {
        Unexamined = (byte)(state.Unexamined + taken - state.Taken),
        Taken = taken,
        EndIsTaken = end,
    };

    private static InputModel Free(InputModel state) => state with { Taken = state.Received, Unexamined = 0 };

    private static InputModel Call(InputModel state)
        => state.Releases > 0 ? state with { Fault = InputFault.CallAfterRelease } : state;

    // A receive fills its block, which is one byte long or as long as what there is, or it brings less than that.
    private static IEnumerable<InputModel> Receive(InputModel state)
    {
        state = Call(state);
        var mustDrain = state.Has(MustDrain);
        if (state.Received == state.Sent)
        {
            return [state with { More = false, EndIsReceived = state.IsFinished }];
        }

        return
        [
            state with { Received = (byte)(state.Received + 1), More = true },
            state with { Received = state.Sent, More = mustDrain },
        ];
    }

    private InputModel TakeResult(InputModel state)
    {
        if (state.Has(TokenCanceled))
        {
            return state with
            {
                Flags = state.Flags & ~(TokenCanceled | Canceled),
                Reader = moves.RewatchesAfterToken ? ReaderPlace.Rewatches : ReaderPlace.Idle,
            };
        }

        var isOver = state.EndIsTaken || InputTransitions.WeHaveEnded(state.Flags);
        return state with { Unexamined = 0, Reader = isOver ? ReaderPlace.IsDone : ReaderPlace.Advances };
    }

    private InputModel Rewatch(InputModel state)
        => moves.TryWatch(state.Flags, out var watched) ? Move(state, watched) : state;

    private IEnumerable<InputModel> Ahead(
        InputModel state, AheadPlace place, Func<InputModel, AheadPlace, InputModel> at)
    {
        switch (place)
        {
            case AheadPlace.Begins:
                return moves.TryBeginReceive(state.Flags, Ended, out var begun)
                    ? [at(state with { Flags = begun, IsFull = false }, AheadPlace.Receives)]
                    : [at(state, AheadPlace.Idle)];
            case AheadPlace.Receives when state.EndIsReceived:
                return [at(state with { More = false }, AheadPlace.Ends)];
            case AheadPlace.Receives when state.Held + state.Unexamined >= InputModel.MaxHeld:
                return [at(state with { More = true, IsFull = true }, AheadPlace.Ends)];
            case AheadPlace.Receives:
                // It goes on with the next tick, or with the next round of its own loop.
                return Receive(state).SelectMany(next => next.More
                    ? new[] { at(next, AheadPlace.Ends), at(next, AheadPlace.Receives) }
                    : [at(next, AheadPlace.Ends)]);
            case AheadPlace.Ends:
                var set = (state.More ? Ready : None) | (state.Held > 0 ? Held : None)
                    | (state.EndIsReceived ? Held | EndHeld : None);
                var ended = End(state, set, None, watches: !state.IsFull);
                var resumes = (state.Flags & ~ended.Flags & Parked) != 0;
                return [at(ended, !resumes && state.IsFull ? AheadPlace.Pauses : AheadPlace.Idle)];
            case AheadPlace.Pauses:
                return [at(state with { Flags = state.Flags | Full }, AheadPlace.Continues)];
            case AheadPlace.Continues:
                return state.Has(Full) && state.HasRoomAgain
                    ? [at(state with { Flags = state.Flags & ~Full }, AheadPlace.Rewatches)]
                    : [at(state, AheadPlace.Idle)];
            default:
                return [at(Rewatch(state), AheadPlace.Idle)];
        }
    }

    private InputModel End(InputModel state, InputFlags set, InputFlags clear, bool watches)
        => Move(state, moves.EndReceive(state.Flags, set, clear, watches));

    /// <summary>Sets the word, and does at once what the transition asks for.</summary>
    private static InputModel Move(InputModel state, InputFlags flags)
    {
        var actions = InputTransitions.ActionsOf(state.Flags, flags);
        state = state with { Flags = flags };
        if ((actions & InputActions.Resume) != 0)
        {
            state = state.Reader == ReaderPlace.IsParked
                ? state with { Reader = ReaderPlace.IsQueued }
                : state with { Fault = InputFault.ResumedTwice };
        }

        if ((actions & InputActions.Watch) != 0)
        {
            state = state with { WatchEntries = (byte)(state.WatchEntries + 1) };
        }

        if ((actions & InputActions.FreeBuffers) != 0)
        {
            state = Free(state);
        }

        return (actions & InputActions.Release) == 0 ? state : state with { Releases = (byte)(state.Releases + 1) };
    }
}
