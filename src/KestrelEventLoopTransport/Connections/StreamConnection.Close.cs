using System.Diagnostics.CodeAnalysis;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

// The end of a connection.
//
// The descriptor belongs to two halves, Input and Output. Each is released once: by the thread that stops it, or, when
// a system call is running just then, by the thread that makes the call. The second release closes the descriptor, so
// no system call ever meets a descriptor that is closed or, worse, somebody else's.
//
//   Abort        stops both halves at once; after the peer's FIN, the input as soon as that has been received.
//   Completing the output, which dispose does, drains it -> ends reading -> stops both halves.
//   A reset      stops both halves when it has been received.
//
// Who closes the descriptor may hand it to a LingeringSocket instead: for the connection that is the same.
//
// Three things have to happen before the connection is finished, in any order, counted down in _pending: dispose was
// called, the descriptor is closed, ConnectionClosed has been announced.
internal sealed partial class StreamConnection
{
    private static readonly ConnectionAbortedException _finReason = new("The connection was closed.");
    private static readonly CancellationTokenSource _alreadyClosed = CreateCanceled();

    private readonly IConnectionOwner _owner;
    private ConnectionAbortedException? _abortReason;
    private CancellationTokenSource? _closedSource;
    private CancellationTokenSource? _closedSourceToCancel;
    private TaskCompletionSource? _finished;
    private int _openHalves = 2;
    private int _pending = 3;
    private bool _isFinished;
    private int _closedAnnounced;
    private int _disposed;
    private bool _lingers;
    private bool _resets;

    /// <summary>What <see cref="Abort(ConnectionAbortedException)"/> was given first, or null.</summary>
    internal ConnectionAbortedException? AbortReason => Volatile.Read(ref _abortReason);

    private CancellationToken ClosedToken
    {
        get
        {
            var source = Volatile.Read(ref _closedSource);
            if (source is null)
            {
                var created = new CancellationTokenSource();
                source = Interlocked.CompareExchange(ref _closedSource, created, null) ?? created;
            }

            return source.Token;
        }
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (Interlocked.CompareExchange(ref _abortReason, abortReason ?? _finReason, null) is not null)
        {
            return;
        }

        _resets = abortReason is not null && !_settings.FinOnError && !_isUnix;
        if (_resets)
        {
            ConnectionLog.WriteRst(_settings.Logger, this, abortReason!.Message);
        }
        else
        {
            ConnectionLog.WriteFin(_settings.Logger, this, (abortReason ?? _finReason).Message);
        }
        // What this thread's dispatch has flushed was accepted before the abort.
        Output.Uncork();
        if (Input.PeerFinished && !Input.HasEnded && !Input.IsCompleted && !_resets)
        {
            // Kestrel aborts like this when the peer has finished sending. What it sent last is still received.
            Output.Stop();
            Input.TakeRest();
        }
        else
        {
            StopHalves();
        }

        AnnounceClosed();
    }

    internal void AbortOnWriterError(Exception exception)
        => Abort(new ConnectionAbortedException("The application completed its output with an error.", exception));

    [SuppressMessage("Usage", "CA2215", Justification = "The base class has nothing to dispose.")]
    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Input.Complete();
            Output.Complete();
            CountDown();
        }

        if (Volatile.Read(ref _isFinished))
        {
            return default;
        }

        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        finished = Interlocked.CompareExchange(ref _finished, finished, null) ?? finished;
        if (Volatile.Read(ref _isFinished))
        {
            finished.TrySetResult();
        }

        return new ValueTask(finished.Task);
    }

    /// <summary>The output is completed, and all of it has been sent or cannot be: the connection closes.</summary>
    internal void OnOutputDrained()
    {
        Input.Close();
        if (AbortReason is null)
        {
            ConnectionLog.WriteFin(_settings.Logger, this, "The application closed the connection.");
            // A connection that was never answered has no response to lose.
            _lingers = !Input.HasEnded && !Output.HasFailed && Output.HasSent && Input.DiscardUnread();
        }

        StopHalves();
        AnnounceClosed();
    }

    /// <summary>The output makes no system call any more. Its FIN does not wait for the input.</summary>
    internal void ReleaseOutput()
    {
        if (AbortReason is not null && !_resets && Volatile.Read(ref _openHalves) > 1)
        {
            _ = Libc.shutdown(Fd, Posix.SHUT_WR);
        }

        ReleaseHalf();
    }

    /// <summary>One half makes no system call any more. After the second, the descriptor is closed.</summary>
    internal void ReleaseHalf()
    {
        if (Interlocked.Decrement(ref _openHalves) != 0)
        {
            return;
        }

        if (CloseWaits())
        {
            // Not on a loop: close(2) blocks until the peer has acknowledged everything, O_NONBLOCK or not.
            ThreadPool.UnsafeQueueUserWorkItem(new WaitingClose(this), preferLocal: false);
            return;
        }

        FinishClose();
    }

    /// <summary>Asks the kernel, but only where somebody may have set the option.</summary>
    private unsafe bool CloseWaits()
    {
        if (_isUnix || _resets || (!_settings.CloseMayWait && Volatile.Read(ref _socket) is null))
        {
            return false;
        }
        // struct linger: on, seconds.
        var linger = stackalloc int[2];
        uint length = 2 * sizeof(int);
        return Libc.getsockopt(Fd, Platform.SOL_SOCKET, Platform.SO_LINGER, linger, &length) == 0 && linger[0] != 0 && linger[1] > 0;
    }

    private void FinishClose()
    {
        try
        {
            CloseDescriptor();
        }
        finally
        {
            _owner.OnClosed(this);
            CountDown();
        }
    }

    /// <summary>Cancels <see cref="ConnectionClosed"/>, on the thread pool.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            _closedSourceToCancel!.Cancel();
        }
        catch (Exception exception)
        {
            ConnectionLog.ClosedCallbackFailed(_settings.Logger, ConnectionId, exception);
        }

        CountDown();
    }

    /// <summary>Keeps the descriptor open until <see cref="ReleaseHalf"/>. False when it is closed already.</summary>
    private bool TryHold()
    {
        while (true)
        {
            var halves = Volatile.Read(ref _openHalves);
            if (halves == 0)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _openHalves, halves + 1, halves) == halves)
            {
                return true;
            }
        }
    }

    private void StopHalves()
    {
        if (Input.Stop())
        {
            ReleaseHalf();
        }

        Output.Stop();
    }

    private unsafe void CloseDescriptor()
    {
        try
        {
            if (_resets)
            {
                // struct linger { on, 0 seconds }: close sends a RST (socket(7), tcp(7)).
                var linger = stackalloc int[2] { 1, 0 };
                _ = Libc.setsockopt(Fd, Platform.SOL_SOCKET, Platform.SO_LINGER, linger, 2 * sizeof(int));
            }
            else if (AbortReason is not null)
            {
                // Unread bytes would turn the FIN into a RST.
                Input.DiscardBeforeClose();
            }
        }
        finally
        {
            var waits = _lingers && CloseWaits();
            var mayBeShared = DisposeSocket();
            if (!_lingers || AbortReason is not null
                || !_settings.Lingering.TryAdd(_owner, Loop, _token, Fd, mayBeShared, waits))
            {
                Loop.Unregister(_token, mayBeShared ? Fd : -1);
                _ = Libc.close(Fd);
                _owner.OnDescriptorClosed();
            }
        }
    }

    /// <summary>
    /// The receive side has ended: <see cref="ConnectionClosed"/> fires, once. Its callbacks run on the thread pool:
    /// they are the application's and may block.
    /// </summary>
    internal void AnnounceClosed()
    {
        if (_closedAnnounced != 0 || Interlocked.Exchange(ref _closedAnnounced, 1) != 0)
        {
            return;
        }

        _closedSourceToCancel = Interlocked.Exchange(ref _closedSource, _alreadyClosed);
        if (_closedSourceToCancel is null)
        {
            CountDown();
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void CountDown()
    {
        if (Interlocked.Decrement(ref _pending) == 0)
        {
            // A full fence: dispose looks for the one after it has set the other.
            Interlocked.Exchange(ref _isFinished, true);
            Volatile.Read(ref _finished)?.TrySetResult();
        }
    }

    private static CancellationTokenSource CreateCanceled()
    {
        var source = new CancellationTokenSource();
        source.Cancel();
        return source;
    }

    private sealed class WaitingClose(StreamConnection connection) : IThreadPoolWorkItem
    {
        public void Execute() => connection.FinishClose();
    }
}
