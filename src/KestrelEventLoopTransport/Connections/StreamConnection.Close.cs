using KestrelEventLoopTransport.Connections.Lingering;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

// The end of a connection. ConnectionEnd has its states.
//
// What ends it:
//   Abort             stops both halves at once. After the peer's end, what the peer sent before is received first.
//   A limit           stops the output at once, and both halves when the callbacks of ConnectionClosed have run.
//   Completed output  (DisposeAsync completes it) is sent. Then reading ends and both halves stop.
//   A reset           stops both halves as soon as it is received.
//   Both FINs         stop both halves: the peer's has been received, and FinishSending has sent ours.
//
// A peer's FIN alone ends nothing but the input. Without half-close it makes ConnectionClosed fire.
//
// Who closes the descriptor:
//   Each half holds a reference to it (DescriptorHandle). A half releases its reference once: on the thread that stops
//   the half, or, when a system call of the half is running, on the thread that makes the call. The start of the
//   connection holds one until the loop's token is known (EndStart). A thread that makes another system call holds one
//   during the call. The thread that releases the last reference closes the descriptor, or passes it to a
//   LingeringSocket.
internal sealed partial class StreamConnection
{
    // In place of a reason when none was given. Never thrown: each reader gets an exception of its own.
    private static readonly ConnectionAbortedException _noReason = new("This side closed the connection.");

    private readonly IConnectionOwner _owner;
    private DescriptorHandle _descriptor;
    private ConnectionEnd _end;
    private ConnectionAbortedException? _abortReason;

    /// <summary>
    /// The descriptor. The caller holds a reference to it: each half has one until it calls <see cref="ReleaseHalf"/>.
    /// </summary>
    internal int Fd => _descriptor.Value;

    /// <summary>
    /// What the first call of <see cref="Abort(ConnectionAbortedException)"/> was given. Null when there was no call,
    /// or it was given no reason.
    /// </summary>
    internal ConnectionAbortedException? AbortReason
        => Volatile.Read(ref _abortReason) is { } reason && reason != _noReason ? reason : null;

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (Interlocked.CompareExchange(ref _abortReason, abortReason ?? _noReason, null) is not null)
        {
            return;
        }

        // After the reason: a reader that an abort ends finds the reason.
        var resets = abortReason is not null && MayReset;
        _end.Abort(resets);
        LogAbort(abortReason, resets);

        // The application flushed this before it aborted, but the flush was deferred.
        Output.Uncork();
        if (Input.PeerGone && !Input.HasEnded && !Input.IsCompleted && !resets)
        {
            // Kestrel aborts when the peer has finished or is gone. What the peer sent before that is still received.
            Output.Stop();
            Input.TakeRest();
        }
        else
        {
            StopHalves();
        }

        AnnounceClosed();
    }

    /// <summary>Whether an end with a RST is possible and wanted.</summary>
    private bool MayReset => !_settings.FinOnError && !_isUnix;

    private void LogAbort(ConnectionAbortedException? reason, bool resets)
    {
        if (resets)
        {
            ConnectionLog.WriteRst(_settings.Logger, this, reason!.Message);
        }
        else
        {
            ConnectionLog.WriteFin(_settings.Logger, this, (reason ?? _noReason).Message);
        }
    }

    internal void AbortOnWriterError(Exception exception)
        => Abort(new ConnectionAbortedException("The application completed its output with an error.", exception));

    /// <summary>
    /// The application has completed the output, and all of it is sent or cannot be sent. The connection closes.
    /// </summary>
    internal void OnOutputDrained()
    {
        Input.Close();
        var lingers = false;
        if (!_end.IsAborted)
        {
            if (!Output.HasFinished)
            {
                ConnectionLog.WriteFin(_settings.Logger, this, "The application closed the connection.");
            }

            // A RST can destroy a response. Without a response, the socket need not linger.
            lingers = !Input.HasEnded && !Output.HasFailed && Output.HasSent && Input.DiscardUnread();
        }

        StopHalves(lingers);
        AnnounceClosed();
    }

    /// <summary>
    /// The output makes no system call any more. After an abort its FIN does not wait for the input to end.
    /// </summary>
    internal void ReleaseOutput()
    {
        var state = _end.State;
        var finishes = state.Has(ConnectionEndFlags.Aborted) && !state.Has(ConnectionEndFlags.Resets);

        // After a limit the FIN does wait: the peer may answer it with a reset, and the reader would get that.
        var waits = state.Has(ConnectionEndFlags.Expired) && state.Phase == ConnectionPhase.Open;
        if (finishes && !waits && _descriptor.IsShared)
        {
            Output.MarkShutDown();
            _ = Libc.shutdown(Fd, Posix.SHUT_WR);
        }

        ReleaseHalf();
    }

    /// <summary>One half makes no system call any more.</summary>
    internal void ReleaseHalf() => ReleaseReference();

    private void ReleaseReference()
    {
        if (!_descriptor.Release())
        {
            return;
        }

        if (CloseWaits())
        {
            // Not on a loop's thread, as close(2) blocks.
            ThreadPool.UnsafeQueueUserWorkItem(static connection => connection.Close(), this, preferLocal: false);
        }
        else
        {
            Close();
        }
    }

    private void StopHalves(bool lingers = false)
    {
        Follow(_end.BeginClose(lingers));
    }

    /// <summary>Does what a transition asks for, except what <see cref="FinishIf"/> does.</summary>
    private void Follow(ConnectionEndAction action)
    {
        if ((action & ConnectionEndAction.StopHalves) != 0)
        {
            StopBoth();
        }

        if ((action & ConnectionEndAction.TellPeerFinished) != 0)
        {
            // The callbacks are the application's and may block.
            ThreadPool.UnsafeQueueUserWorkItem(
                static connection => connection.TellPeerFinished(), this, preferLocal: false);
        }

        if ((action & ConnectionEndAction.Announce) != 0)
        {
            Announce();
        }
    }

    private void StopBoth()
    {
        if (Input.Stop())
        {
            ReleaseHalf();
        }

        Output.Stop();
    }

    private void Close()
    {
        try
        {
            CloseDescriptor();
        }
        finally
        {
            CountEnd();
            _owner.OnClosed(this);
            FinishIf(_end.EndClose());
            StopTimer();
        }
    }

    private void CloseDescriptor()
    {
        var state = _end.State;
        try
        {
            _owner.OnClosing(this);
            if (state.Has(ConnectionEndFlags.Resets))
            {
                LingerOption.MakeCloseReset(Fd);
            }
            else if (state.Has(ConnectionEndFlags.Aborted))
            {
                // Unread bytes would turn the FIN into a RST.
                Input.DiscardBeforeClose();
            }
        }
        finally
        {
            var lingers = state.Has(ConnectionEndFlags.Lingers);
            var closeWaits = lingers && CloseWaits();
            var socket = new PolledSocket(_owner, Loop, _token, Fd, _socket.Dispose(), closeWaits);
            if (!lingers || !_settings.Lingering.TryAdd(socket))
            {
                if (_socket.IsShared)
                {
                    // Closing one of two descriptors does not send a FIN.
                    _ = Libc.shutdown(Fd, Posix.SHUT_RDWR);
                }

                socket.EndPolling();
                socket.Close();
            }
        }
    }

    /// <summary>Asks the kernel, but only when the option may have been set.</summary>
    private bool CloseWaits()
        => !_isUnix
            && !_end.State.Has(ConnectionEndFlags.Resets)
            && (_settings.CloseMayWait || _socket.IsInUse)
            && LingerOption.MakesCloseWait(Fd);
}
