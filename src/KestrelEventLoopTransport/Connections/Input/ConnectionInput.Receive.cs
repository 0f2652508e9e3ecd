using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections.Input;

// The receives: for the reader, and at the end of the connection. Each is made between InputState.TryBeginReceive and
// EndReceive.
internal sealed partial class ConnectionInput
{
    /// <summary>
    /// Throws away what the application did not read, when reading has ended (<see cref="Close"/>). True when there was
    /// anything: then more may be on its way.
    /// </summary>
    internal bool DiscardUnread()
    {
        _state.Set(InputFlags.Ready);
        return Discard() switch
        {
            // In the order in which bytes go: they are held, in the buffer, and noted as left before they are freed.
            DiscardResult.None => _state.Has(InputFlags.Held) || !_buffer.IsEmpty || _buffer.WasLeft,
            DiscardResult.End => false,
            _ => true,
        };
    }

    /// <summary>Throws away what has arrived. For the thread that closes the descriptor, at the very end.</summary>
    internal void DiscardBeforeClose() => Receiver.Discard(_connection.Fd);

    private DiscardResult Discard()
    {
        if (!_state.TryBeginReceive())
        {
            // No receive begins any more, but one that has begun before is running. It may bring bytes.
            return DiscardResult.Bytes;
        }

        var result = DiscardResult.None;
        do
        {
            var part = DiscardResult.None;
            try
            {
                part = Receiver.Discard(_connection.Fd);
            }
            finally
            {
                var isLeft = part is DiscardResult.More or DiscardResult.Short;
                EndReceive(isLeft ? InputFlags.Ready : InputFlags.None, InputFlags.None, watches: false);
            }

            result = part == DiscardResult.None ? result : part;
        }
        while (result is DiscardResult.None or DiscardResult.Bytes && _state.TryBeginReceive());

        return result;
    }

    /// <summary>Receives for the reader, if an edge has not been answered.</summary>
    private bool TryReceive()
    {
        // What is held came first. It is taken first, also if it has come since TryFinish looked.
        if (!_state.TryBeginReceive(unless: InputFlags.Ended | InputFlags.Held))
        {
            return false;
        }

        // This also if there is no memory for a block: the bytes are still there, and no further edge reports them.
        var remainder = Remainder.Likely;
        try
        {
            CountFill();
            remainder = _target is null ? Receive(ref _buffer.Bytes, Receiver.MaxBlocks) : ReceiveForStream(_target);
        }
        finally
        {
            _buffer.End = _receiver.End;
            EndReceive(
                remainder == Remainder.None ? InputFlags.None : InputFlags.Ready,
                InputFlags.None,
                watches: remainder == Remainder.Likely);
        }

        return true;
    }

    private Remainder Receive(ref ReceivedBytes bytes, int maxBlocks)
    {
        var received = _receiver.Receive(_connection, ref bytes, maxBlocks, out var remainder);
        return OnReceived(received, remainder);
    }

    private Remainder OnReceived(int received, Remainder remainder)
    {
        if (received <= 0)
        {
            OnNothingReceived(received);
            return Remainder.None;
        }

        _connection.Output.OnInput();
        return _state.Has(InputFlags.MustDrain) ? Remainder.Likely : remainder;
    }

    private void OnNothingReceived(int result)
    {
        var errno = -result;
        switch (errno)
        {
            case 0:
                // A send may have used up the error of a reset. Then this is not a regular end.
                var isReset = !PeerFinished && _connection.IsReset();
                _receiver.SetEnd(isReset ? StreamEnd.Reset : StreamEnd.Finished, 0);
                break;
            case Errno.EAGAIN:
                break;
            case Errno.ECONNRESET or Errno.EPIPE:
                _receiver.SetEnd(StreamEnd.Reset, errno);
                break;
            case Errno.ENOMEM or Errno.ENOBUFS:
                // No edge will come for this. The loop tries again in a moment.
                new ReceiveRetry(this, _connection.Loop).Set(LoopClock.After(StreamConnection.ShortageDelay));
                break;
            default:
                _receiver.SetEnd(StreamEnd.Failed, errno);
                break;
        }
    }

    /// <summary>Ends a receive, and does what became due meanwhile.</summary>
    /// <returns>Whether a parked read has been claimed, which the caller has to resume.</returns>
    private bool EndReceive(InputFlags set, InputFlags clear, bool watches)
    {
        var endIsNew = _receiver.TryTakeNewEnd();
        var actions = _state.EndReceive(set, clear, watches);
        if (actions != InputActions.None)
        {
            Follow(actions);
        }

        if (endIsNew)
        {
            // Not earlier: a reader that finds the descriptor given up also has to find the reason.
            _connection.OnInputEnded(_receiver.End, _receiver.Error);
        }

        return (actions & InputActions.Resume) != 0;
    }

    /// <summary>Does what a transition asks for, except that the caller resumes the read.</summary>
    private void Follow(InputActions actions)
    {
        if ((actions & InputActions.Watch) != 0)
        {
            _connection.Loop.Watch(this);
        }

        if ((actions & InputActions.FreeBuffers) != 0)
        {
            FreeBuffers();
        }

        if ((actions & InputActions.Release) != 0)
        {
            _connection.ReleaseHalf();
        }
    }

    private sealed class ReceiveRetry(ConnectionInput input, EventLoop loop) : LoopTimer(loop)
    {
        protected override long OnDue(long now)
        {
            input.OnRetry();
            return Never;
        }
    }
}
