using KestrelEventLoopTransport.Connections.Buffers;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Connections.Input;

// What is received for a reader that does not come. An edge that finds no reader parked is watched. If the reader has
// not come after a tick or two of the watch (EdgeWatch), the loop receives up to MaxReadBufferSize and holds it. While
// something is held, each edge is answered at once: the reader is late anyway. A reset is answered at once too.
//
// So a read that waits for its edge and takes all of it pays nothing: no system call, no block, no atomic operation
// that it would not make anyway. An edge that comes first, or a receive that fills its blocks, costs a place in the
// watch's queue, once per tick.
// An application that writes before it reads, or waits for something else, cannot stop a client that sends first; and
// when the peer has finished, what the kernel still holds is taken and the descriptor can close.
internal sealed partial class ConnectionInput
{
    // Receives that the loop makes for one connection before others get their turn.
    private const int MaxReceivesAhead = 16;

    // Half a second: for so long the end of a connection that nobody has read from yet waits for the first read.
    // Kestrel begins late on a machine that has much to do.
    private const int MaxTicksBeforeFirst = 100;

    // Bytes of the reader's that lie with whoever holds Readiness.Busy.
    private ReceivedBytes _held;

    // Receives and takings of the reader, counted, and the number that the watch saw last.
    private int _receives;
    private int _receivesSeen;
    private int _ticksBeforeFirst;
    private int _endIsQueued;

    private bool HasRoom => Unexamined < _connection.MaxReadBufferSize;

    // As Pipe counts: what the reader has examined makes room, consumed or not.
    private long Unexamined
    {
        get
        {
            // In this order, the other way round than FreeBuffer: rather too little than too much.
            var examined = Volatile.Read(ref _examined);
            return Math.Max(_buffer.Length - examined, 0) + _held.Length;
        }
    }

    bool IWatched.OnWatch()
    {
        if (!_readiness.StaysWatched())
        {
            AnnounceEndBehindFull();
            return false;
        }

        var receives = Volatile.Read(ref _receives);
        if (receives == 0 && PeerFinished && ++_ticksBeforeFirst < MaxTicksBeforeFirst)
        {
            // A request that came together with the FIN is to be answered: Kestrel has not begun yet.
            return true;
        }

        if (receives != _receivesSeen || _readiness.Has(Readiness.Claimed))
        {
            // The reader has come meanwhile, or the edge is fresh.
            _receivesSeen = receives;
            return true;
        }

        ReceiveAhead();
        return _readiness.StaysWatched();
    }

    /// <summary>
    /// Application code keeps its thread, which may be the loop's: then nobody else receives the end that an edge told
    /// of. Not here, as the supervisor's thread runs no logger.
    /// </summary>
    internal void OnOverdue()
    {
        if (PeerGone && !HasEnded && Interlocked.Exchange(ref _endIsQueued, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static input => input.ReceiveAhead(), this, preferLocal: false);
        }
    }

    /// <summary>The loop saw an edge, and no read waits for it.</summary>
    private void OnAbsent(int bits)
    {
        if ((bits & Readiness.Broken) != 0 || (_readiness.Has(Readiness.Held) && !_readiness.Has(Readiness.Full)))
        {
            ReceiveAhead();
        }
        else
        {
            AnnounceEndBehindFull();
        }
    }

    private void WatchEdge()
    {
        // Not what OnWatch compares with: the first look only notes.
        _receivesSeen = Volatile.Read(ref _receives) - 1;
        _connection.Loop.Watch(this);
    }

    private void WatchUnanswered()
    {
        if (_readiness.TryWatch())
        {
            WatchEdge();
        }
    }

    private void ReceiveAhead()
    {
        if (!_readiness.TryBegin(unless: Ended))
        {
            return;
        }

        var more = !HasEnded;
        var isFull = false;
        try
        {
            for (var i = 0; i < MaxReceivesAhead && more && !isFull; i++)
            {
                // A connection that is over brings no more than the kernel holds, and its last receive tells how it
                // ended.
                var room = _readiness.Has(Readiness.Broken) ? long.MaxValue : _connection.MaxReadBufferSize - Unexamined;
                isFull = room <= 0;
                more = isFull || Receive(ref _held, (int)Math.Clamp(room / StreamConnection.BlockSize, 1, MaxBlocks));
            }
        }
        catch (Exception)
        {
            // No memory for a block. The watch tries again, and the reader learns of it if it comes first.
        }

        EndReceiveAhead(more, isFull);
    }

    private void EndReceiveAhead(bool more, bool isFull)
    {
        var set = (more ? Readiness.Ready : 0)
            | (_held.Head is not null ? Readiness.Held : 0)
            | (HasEnded ? Readiness.Held | Readiness.EndHeld : 0);
        if (EndReceive(set, clear: 0, watches: !isFull))
        {
            // Application code runs as work of its own: this may be the watch.
            _readiness.Note(Readiness.Claimed);
            _connection.Loop.Post(this);
        }
        else if (isFull)
        {
            Pause();
        }
    }

    /// <summary>
    /// The connection was aborted after the peer's FIN: the rest is received whatever there is room for.
    /// </summary>
    internal void TakeRest()
    {
        _readiness.Note(Readiness.Broken);
        _readiness.Take(Readiness.Full);
        WatchUnanswered();
    }

    private void Pause()
    {
        _readiness.Note(Readiness.Full);
        _connection.LogPause();

        // The reader makes room without a fence and then looks for the bit. This one stands in for it.
        Interlocked.MemoryBarrierProcessWide();
        GoOnAhead();
        AnnounceEndBehindFull();
    }

    /// <summary>
    /// Lets the loop receive again when the reader has made enough room, as the stock transport's pipe does.
    /// </summary>
    private void GoOnAhead()
    {
        if (Unexamined <= _connection.MaxReadBufferSize / 2 && _readiness.Take(Readiness.Full))
        {
            _connection.LogResume();
            WatchUnanswered();
        }
    }

    /// <summary>The end of the stream is known, but cannot be received before the reader has made room.</summary>
    private void AnnounceEndBehindFull()
    {
        if (_readiness.Has(Readiness.Full) && PeerGone)
        {
            _connection.AnnounceClosed();
        }
    }

    private bool TryTakeHeld()
    {
        if (!_readiness.Has(Readiness.Held) || !_readiness.TryBeginTake())
        {
            return false;
        }

        _receives++;
        _buffer.Take(ref _held);
        _end = _receivedEnd;
        EndReceive(set: 0, Readiness.Held, watches: true);
        return true;
    }
}
