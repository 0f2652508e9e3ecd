using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Input;

// What the loop, cancellers and the closing thread tell the input, while a read waits or none does.
internal sealed partial class ConnectionInput
{
    /// <summary>The loop reports an edge.</summary>
    internal void OnReadable(PollEvents events)
    {
        var flags = events == PollEvents.Readable ? InputFlags.Ready : InputFlags.Ready | EndFlags(events);
        var callbacks = _connection.Loop.Callbacks;
        var runsHere = callbacks.RunOnLoop;
        var actions = _state.OnEdge(flags, claims: !runsHere);
        if ((actions & InputActions.Resume) == 0)
        {
            Follow(actions);
            OnEdgeWithoutReader(flags);
        }
        else if (runsHere)
        {
            Resume();
        }
        else
        {
            callbacks.Post(this);
        }
    }

    /// <summary>
    /// A send has failed. If it took the error of the connection, only a receive that is made at once
    /// can tell how the connection ended. Runs no application code, because some is below on the stack.
    /// </summary>
    /// <param name="isGone">
    /// Whether the peer is gone. Otherwise only sending is over, and the peer still sends as much as it likes.
    /// </param>
    internal void OnSendFailed(bool isGone)
    {
        var end = isGone ? EndFlags(PollEvents.HangUp | PollEvents.Error) : InputFlags.None;
        var actions = _state.OnEdge(InputFlags.Ready | end, claims: true);
        if ((actions & InputActions.Resume) == 0)
        {
            Follow(actions);
            ReceiveAhead();
        }
        else
        {
            _connection.Loop.Post(this);
        }
    }

    /// <summary>The loop tries again, after the kernel was short of memory. Runs no application code.</summary>
    private void OnRetry()
    {
        var actions = _state.OnEdge(InputFlags.Ready, claims: true);
        if ((actions & InputActions.Resume) == 0)
        {
            Follow(actions);
            OnEdgeWithoutReader(InputFlags.Ready);
        }
        else
        {
            _connection.Loop.Post(this);
        }
    }

    private InputFlags EndFlags(PollEvents events)
    {
        const PollEvents finished = PollEvents.PeerClosed | PollEvents.HangUp;
        if ((events & (finished | PollEvents.Error | PollEvents.Urgent)) == 0)
        {
            return InputFlags.None;
        }

        if (_connection.WasReset(events))
        {
            return InputFlags.MustDrain | InputFlags.Broken;
        }

        // A reset whose error a send has taken looks like a FIN once our side is shut down. That send has set Broken.
        return (events & finished) != 0 && !_state.Has(InputFlags.Broken)
            ? InputFlags.MustDrain | InputFlags.PeerFinished
            : InputFlags.MustDrain;
    }

    /// <summary>We are closing the connection: a pending read, and any later one, ends.</summary>
    internal void Close() => Interrupt(InputFlags.Closing);

    /// <summary>The token of the pending read has fired.</summary>
    internal void CancelByToken() => Interrupt(InputFlags.TokenCanceled);

    /// <summary>The read deadline has passed: a pending read fails, and any later one.</summary>
    internal void Expire() => Interrupt(InputFlags.TimedOut);

    /// <summary>The read deadline has been moved: reads succeed again.</summary>
    internal void Revive() => _state.TryClear(InputFlags.TimedOut);

    /// <summary>Allows no further receive, and ends a parked read.</summary>
    /// <returns>Whether the caller has to give up the input's half of the descriptor.</returns>
    internal bool Stop()
    {
        var actions = _state.Stop();
        ResumeOnPool(actions);
        return (actions & InputActions.Release) != 0;
    }

    private void Interrupt(InputFlags reason) => ResumeOnPool(_state.SetAndUnpark(reason));

    private void ResumeOnPool(InputActions actions)
    {
        if ((actions & InputActions.Resume) != 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
