using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Connections.Input;

// What is received for a reader that does not come.
//
// An edge that finds no parked read is watched. If the reader has not come after a tick or two of the watch
// (EdgeWatch), the loop receives up to MaxReadBufferSize and holds it. While something is held, each edge is answered
// at once, because the reader is late anyway. A reset is answered at once too.
//
// A read that waits for its edge and takes all of it pays nothing for this: no system call, no block, no atomic
// operation that it would not make anyway. An edge that comes before the read, or a receive that fills its blocks,
// costs an entry in the watch's queue, once per tick.
//
// An application that writes before it reads, or waits for something else, therefore cannot stop a client that sends
// first. And when the peer has finished, what the kernel still holds is taken and the descriptor can be closed.
internal sealed partial class ConnectionInput
{
    // Receives that the loop makes for one connection before others get their turn.
    private const int MaxReceivesAhead = 16;

    // Half a second. For so long, the end of a connection that was never read waits for the first read. Kestrel begins
    // late on a machine that is busy.
    private const int MaxTicksBeforeFirst = 100;

    private HeldBytes? _held;

    // Receives of the reader, and takings of what was held, counted.
    private int _fills;

    private bool HasRoom => Unexamined < _connection.MaxReadBufferSize;

    // As Pipe counts: what the reader has examined makes room, whether it is consumed or not.
    internal long Unexamined => _buffer.Unexamined + (_held?.Bytes.Length ?? 0);

    bool IWatched.OnWatch(int ticks, ref int mark)
    {
        if (_state.TryUnwatch())
        {
            AnnounceEndBehindFull();
            return false;
        }

        var fills = Volatile.Read(ref _fills);
        if (fills == 0 && PeerFinished && ticks < MaxTicksBeforeFirst)
        {
            // A request that came together with the FIN is to be answered, and Kestrel has not begun yet.
            return true;
        }

        if (ticks == 1 || fills != mark || _state.Has(InputFlags.Claimed))
        {
            // The edge is fresh, or the reader has come meanwhile or is about to.
            mark = fills;
            return true;
        }

        ReceiveAhead();
        return !_state.TryUnwatch();
    }

    /// <summary>
    /// Application code keeps its thread, which may be the loop's. Then no other thread receives the end that an edge
    /// has reported. It is received on the thread pool, because the supervisor's thread runs no logger.
    /// </summary>
    internal void OnOverdue()
    {
        if (PeerGone && !HasEnded && !_state.Has(InputFlags.EndRequested))
        {
            _state.Set(InputFlags.EndRequested);
            ThreadPool.UnsafeQueueUserWorkItem(static input => input.ReceiveAhead(), this, preferLocal: false);
        }
    }

    /// <summary>
    /// The connection was aborted after the peer's end: the rest is received, whatever room there is.
    /// </summary>
    internal void TakeRest()
    {
        _state.Set(InputFlags.Broken);
        _state.TryClear(InputFlags.Full);
        WatchUnanswered();
    }

    private void OnEdgeWithoutReader(InputFlags flags)
    {
        if ((flags & InputFlags.Broken) != 0 || (_state.Flags & (InputFlags.Held | InputFlags.Full)) == InputFlags.Held)
        {
            ReceiveAhead();
        }
        else
        {
            AnnounceEndBehindFull();
        }
    }

    private void WatchUnanswered()
    {
        if (_state.TryWatch())
        {
            _connection.Loop.Watch(this);
        }
    }

    private void ReceiveAhead()
    {
        if (!_state.TryBeginReceive(unless: InputFlags.Ended))
        {
            return;
        }

        var more = !HasEnded;
        var isFull = false;
        try
        {
            _held ??= new HeldBytes();
            for (var i = 0; i < MaxReceivesAhead && more && !isFull; i++)
            {
                var room = RoomAhead();
                isFull = room <= 0;
                more = isFull || ReceiveAhead(_held, room) != Remainder.None;
            }
        }
        catch (Exception)
        {
            // No memory for a block. The watch tries again. If the reader comes first, its own receive fails.
        }

        EndReceiveAhead(more, isFull);
    }

    // A broken connection brings no more than the kernel holds, and its last receive tells how it ended.
    private long RoomAhead()
        => _state.Has(InputFlags.Broken) ? long.MaxValue : _connection.MaxReadBufferSize - Unexamined;

    private Remainder ReceiveAhead(HeldBytes held, long room)
        => Receive(ref held.Bytes, (int)Math.Clamp(room / StreamConnection.BlockSize, 1, Receiver.MaxBlocks));

    private void EndReceiveAhead(bool more, bool isFull)
    {
        var set = more ? InputFlags.Ready : InputFlags.None;
        if (HasEnded)
        {
            set |= InputFlags.Held | InputFlags.EndHeld;
        }

        if (_held?.Bytes.Head is null)
        {
            _held = null;
        }
        else
        {
            set |= InputFlags.Held;
        }

        if (EndReceive(set, InputFlags.None, watches: !isFull))
        {
            // Application code runs as work of its own, because this may be the watch.
            _connection.Loop.Post(this);
        }
        else if (isFull)
        {
            PauseAhead();
        }
    }

    private void PauseAhead()
    {
        _state.Set(InputFlags.Full);
        _connection.LogPause();

        // The reader makes room without a fence and then looks for the flag. This fence stands in for the reader's.
        Interlocked.MemoryBarrierProcessWide();
        ContinueAhead();
        AnnounceEndBehindFull();
    }

    /// <summary>
    /// Lets the loop receive again when the reader has made enough room, as the stock transport's pipe does.
    /// </summary>
    private void ContinueAhead()
    {
        if (Unexamined <= _connection.MaxReadBufferSize / 2 && _state.TryClear(InputFlags.Full))
        {
            _connection.LogResume();
            WatchUnanswered();
        }
    }

    /// <summary>The end of the stream is known, but cannot be received before the reader has made room.</summary>
    private void AnnounceEndBehindFull()
    {
        if (_state.Has(InputFlags.Full) && PeerGone)
        {
            _connection.OnEndKnown();
        }
    }

    /// <summary>Takes what was received ahead, if anything, for the reader.</summary>
    private bool TryTakeHeld()
    {
        if (!_state.Has(InputFlags.Held) || !_state.TryBeginTake())
        {
            return false;
        }

        CountFill();
        if (_held is { } held)
        {
            _buffer.Bytes.Take(ref held.Bytes);
            _held = null;
        }

        _buffer.End = _receiver.End;
        EndReceive(InputFlags.None, InputFlags.Held, watches: true);
        return true;
    }

    private void CountFill()
    {
        _fills++;
        _read.CountReceive();
    }
}
