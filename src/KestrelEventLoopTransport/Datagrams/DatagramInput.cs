using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The receiving side of a socket: what a turn does with one batch. The thread that is in the socket's turn uses it.
/// </summary>
internal sealed class DatagramInput
{
    private readonly DatagramSocket _socket;
    private readonly DatagramHandler _handler;
    private readonly DatagramBatch _batch;
    private readonly DatagramErrors _errors = new();
    private readonly bool _isConnected;
    private readonly Retry _retry;
    private long _received;

    /// <param name="socket">The socket.</param>
    /// <param name="bound">What it is made of.</param>
    /// <param name="hasBatches">Whether to use <c>recvmmsg(2)</c>.</param>
    /// <param name="handler">The application's code.</param>
    /// <param name="maxSize">The longest datagram that is not truncated, in bytes.</param>
    internal DatagramInput(
        DatagramSocket socket, BoundDatagramSocket bound, bool hasBatches, DatagramHandler handler, int maxSize)
    {
        _socket = socket;
        _handler = handler;
        _isConnected = bound.IsConnected;
        _batch = new DatagramBatch(
            maxSize, DatagramAddress.FromEndPoint(bound.EndPoint), hasBatches, bound.IsCoalescing);
        _retry = new Retry(socket);
    }

    /// <summary>How many datagrams have been received. For any thread.</summary>
    internal long Received => Volatile.Read(ref _received);

    internal long KernelDrops => _batch.KernelDrops;

    /// <summary>An error that concerns one datagram. False if too many wait. For any thread.</summary>
    internal bool TryAddError(int error, DatagramAddress address) => _errors.TryAdd(error, address);

    /// <summary>Receives a batch and runs the handler. Returns whether there may be more.</summary>
    internal bool ReceiveBatch()
    {
        var isFull = _batch.Receive(_socket.Fd, out var error);
        if (error is Errno.ENOBUFS or Errno.ENOMEM)
        {
            _retry.Set(LoopClock.After(DatagramBacklog.ShortageDelay));
            return false;
        }

        if (error is not (0 or Errno.EAGAIN))
        {
            _ = _errors.TryAdd(error, default);
            if (!DatagramErrors.IsAnswer(error))
            {
                // It could come again at once. No edge comes for datagrams that are there.
                _retry.Set(LoopClock.After(DatagramBacklog.ShortageDelay));
            }
        }

        var count = _batch.Count;
        if (count > 0 || !_errors.IsEmpty)
        {
            RunHandler(count);
        }

        // A short batch has emptied the socket. An error between two datagrams also ends a batch, and that of a
        // connected socket may come at any time.
        return isFull || (count > 0 && _isConnected) || DatagramErrors.IsAnswer(error);
    }

    /// <summary>No batch is received any more.</summary>
    internal void Close() => _retry.Cancel();

    private void RunHandler(int count)
    {
        Volatile.Write(ref _received, _received + count);

        // Before the scope, in which the supervisor may call the handler overdue.
        var output = _socket.Output;
        output.BeginCallback();
        try
        {
            using (CallbackScope.Enter(_socket))
            {
                ReportErrors();
                if (count > 0)
                {
                    RunHandler(_batch.Open());
                }
            }
        }
        finally
        {
            _batch.Close();
            output.EndCallback();
        }
    }

    private void RunHandler(ReadOnlySpan<Datagram> datagrams)
    {
        try
        {
            _handler.OnDatagrams(datagrams, _socket.Sender);
        }
        catch (Exception exception)
        {
            _socket.Loop.OnCallbackFailed(exception);
        }
    }

    private void ReportErrors()
    {
        // Errors that come meanwhile wait for the next turn, because a handler may send in answer to one.
        for (var left = _errors.Count; left > 0 && _errors.TryTake(out var error, out var address); left--)
        {
            try
            {
                _handler.OnError(Errno.ToSocketError(error), address);
            }
            catch (Exception exception)
            {
                _socket.Loop.OnCallbackFailed(exception);
            }
        }
    }

    /// <summary>Receives again after an error that could come again at once, such as a shortage of memory.</summary>
    private sealed class Retry(DatagramSocket socket) : LoopTimer(socket.Loop)
    {
        protected override long OnDue(long now)
        {
            socket.ReceiveLater();
            return Never;
        }
    }
}
