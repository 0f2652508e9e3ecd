using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// What waits to be sent because the socket is full (<see cref="BacklogWord"/>): the queue, and who sends it when.
/// </summary>
/// <remarks>
/// <para>
/// A full socket is tried again after a delay, not at a writable edge: the kernel reports one for every datagram that
/// leaves (<c>net/core/sock.c: sock_def_write_space</c>), and none when a queue of the network was full.
/// </para>
/// <para>
/// A thread that flushes holds a reference to the descriptor, from before it moves the word until it has ended the
/// flush; so does the rest of one that is posted. So the queue is closed, and what it drops is counted, before the
/// socket is closed.
/// </para>
/// </remarks>
internal sealed class DatagramBacklog
{
    // Milliseconds until a full socket is tried again.
    private const int FullDelay = 1;

    // Milliseconds until a call that failed for want of kernel memory is tried again.
    internal const int ShortageDelay = 10;

    // Batches of one flush. The rest is left to the loop, so that others get their turn.
    private const int MaxBatches = 8;

    private readonly DatagramSocket _socket;
    private readonly DatagramWriter _writer;
    private readonly DatagramQueue _queue;
    private readonly Rest _rest;
    private readonly FullTimer _fullTimer;
    private readonly int _family;
    private readonly bool _hasBatches;
    private DatagramSendBatch? _batch;
    private BacklogWord _word;

    /// <param name="socket">The socket.</param>
    /// <param name="writer">Passes datagrams to the kernel.</param>
    /// <param name="family">The family of the socket.</param>
    /// <param name="hasBatches">Whether to use <c>sendmmsg(2)</c>.</param>
    /// <param name="maxQueueSize">How many bytes may wait.</param>
    internal DatagramBacklog(
        DatagramSocket socket, DatagramWriter writer, int family, bool hasBatches, long maxQueueSize)
    {
        _socket = socket;
        _writer = writer;
        _family = family;
        _hasBatches = hasBatches;
        _queue = new DatagramQueue(maxQueueSize);
        _rest = new Rest(this);
        _fullTimer = new FullTimer(this);
    }

    /// <summary>Whether nothing waits, so that datagrams may go to the kernel at once.</summary>
    internal bool IsIdle => _word.IsIdle;

    /// <inheritdoc cref="DatagramQueue.Dropped"/>
    internal long Dropped => _queue.Dropped;

    /// <inheritdoc cref="DatagramQueue.CountDrop"/>
    internal void CountDrop() => _queue.CountDrop();

    /// <summary>
    /// Queues a copy of a datagram, unless there is no room. The caller holds a reference to the descriptor.
    /// </summary>
    internal DatagramSendStatus Queue(ReadOnlySpan<byte> payload, in DatagramAddress to, in DatagramAddress from)
    {
        var status = _queue.Add(payload, to, from);
        if (status == DatagramSendStatus.Queued)
        {
            Run(_word.Queue());
        }

        return status;
    }

    /// <inheritdoc cref="DatagramQueue.WaitForRoomAsync"/>
    internal Task WaitForRoomAsync(int length) => _queue.WaitForRoomAsync(length);

    /// <summary>Nothing is sent any more. What is queued is dropped.</summary>
    internal void Stop()
    {
        Run(_word.Stop());
        _fullTimer.Cancel();
    }

    private void Run(BacklogAction action)
    {
        if (action == BacklogAction.Flush)
        {
            Flush();
        }
        else if (action == BacklogAction.Close)
        {
            _queue.Close();
        }
    }

    /// <summary>
    /// Sends what is queued. The caller has moved the word to flushing, and holds a reference to the descriptor.
    /// </summary>
    private void Flush()
    {
        var action = BacklogAction.Flush;
        for (var batches = 0; action == BacklogAction.Flush; batches++)
        {
            // A socket that is about to be closed has stopped sending before: the next batch ends the flush.
            if (batches == MaxBatches && _socket.TryAddReference())
            {
                _socket.Loop.Post(_rest);
                return;
            }

            action = FlushBatch();
        }

        Run(action);
    }

    private BacklogAction FlushBatch()
    {
        var batch = _batch ??= new DatagramSendBatch(_family, _hasBatches);
        var count = _word.IsStopped ? 0 : _queue.CopyTo(batch);
        if (count == 0)
        {
            return _word.EndFlush(isEmpty: true);
        }

        var done = _writer.Send(batch, count, out var error);
        _queue.Remove(done);
        if (done == count)
        {
            return BacklogAction.Flush;
        }

        _fullTimer.Set(LoopClock.After(error == Errno.EAGAIN ? FullDelay : ShortageDelay));
        return _word.EndFlush(isEmpty: false);
    }

    /// <summary>The delay of a full socket.</summary>
    private sealed class FullTimer(DatagramBacklog backlog) : LoopTimer(backlog._socket.Loop)
    {
        protected override long OnDue(long now)
        {
            if (backlog._socket.TryAddReference())
            {
                try
                {
                    backlog.Run(backlog._word.SetWritable());
                }
                finally
                {
                    backlog._socket.ReleaseReference();
                }
            }

            return Never;
        }
    }

    /// <summary>
    /// The rest of a flush, which is still that thread's that runs it. Posted with a reference to the descriptor. It
    /// always runs: the loop outlives the socket.
    /// </summary>
    private sealed class Rest(DatagramBacklog backlog) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            try
            {
                backlog.Flush();
            }
            finally
            {
                backlog._socket.ReleaseReference();
            }
        }
    }
}
