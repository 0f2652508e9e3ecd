using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Dialing;

// The end of a dial, and the delivery of its result.
internal sealed partial class Dial
{
    /// <summary>Ends the dial without a connection, unless it has ended. Any thread.</summary>
    private void End(Exception failure)
    {
        lock (_lock)
        {
            if (_hasEnded)
            {
                return;
            }

            EndLocked(winner: null, failure);
        }

        Complete();
    }

    /// <summary>Under the lock. The caller calls <see cref="Complete"/> when it has released the lock.</summary>
    private void EndLocked(ConnectAttempt? winner, Exception? failure)
    {
        _hasEnded = true;
        _winner = winner;
        _failure = failure;
        foreach (var attempt in _attempts)
        {
            if (attempt != winner)
            {
                attempt.Close(Loop, _context);
            }
        }
    }

    /// <summary>Makes the connection and delivers the result. The thread that has ended the dial.</summary>
    /// <param name="isReady">Whether the loop has found a socket ready: only there may the application go on.</param>
    private void Complete(bool isReady = false)
    {
        Cancel();
        _registration.Unregister();
        _lookups?.Cancel();
        if (_winner is not null)
        {
            TryEstablish(_winner);
        }

        _context.Metrics.Count(_connection is null ? _failure : null);
        if (_connection is null)
        {
            _connections.Group.Release();
        }

        if (isReady)
        {
            Loop.Callbacks.Run(new Delivery(this));
        }
        else if (IsBeginning)
        {
            // Nobody awaits the task yet.
            Deliver();
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(new Delivery(this), preferLocal: false);
        }
    }

    private void TryEstablish(ConnectAttempt winner)
    {
        var fd = winner.Release();
        try
        {
            _connection = _connections.Create(fd, winner.Token, Loop, winner.Address, winner.LocalAddress);
        }
        catch (Exception exception)
        {
            // No memory, or no room for one more descriptor in the poller.
            _context.Close(fd);
            _failure = exception;
        }
    }

    private void Deliver()
    {
        if (_connection is not null)
        {
            _result.SetResult(_connection);
        }
        else if (_failure is OperationCanceledException canceled)
        {
            _result.SetCanceled(canceled.CancellationToken);
        }
        else
        {
            _result.SetException(_failure!);
        }
    }

    /// <summary>Delivers the result, which lets the application go on.</summary>
    private sealed class Delivery(Dial dial) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            using var scope = CallbackScope.Enter(dial);
            dial.Deliver();
        }
    }
}
