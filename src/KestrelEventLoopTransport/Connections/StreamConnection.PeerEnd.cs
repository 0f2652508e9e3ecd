using System.Net.Sockets;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Connections;

// The peer's end: how the connection tells a FIN from a reset, and what follows from it.
internal sealed partial class StreamConnection
{
    /// <summary>
    /// Whether an event says that a TCP connection was reset. When our side is shut down, the peer's FIN looks the same
    /// but for the error, and for it too if a send has taken the error of the reset.
    /// </summary>
    internal bool WasReset(PollEvents events)
    {
        // The error queue of an open socket raises Error too.
        var end = Poller.ReportsHangUp ? PollEvents.HangUp : PollEvents.HangUp | PollEvents.PeerClosed;
        return !_isUnix && (MayBeShutDown
            ? (events & end) != 0 && (events & PollEvents.Error) != 0
            : (events & PollEvents.HangUp) != 0 || (!Poller.ReportsHangUp
                && ((events & PollEvents.Error) != 0 || ((events & PollEvents.PeerClosed) != 0 && IsHungUpByPeer()))));
    }

    /// <summary>
    /// Whether an event says that both directions are closed: the connection was reset, the peer of a Unix socket has
    /// closed it, or both sides have sent a FIN.
    /// </summary>
    private bool IsOver(PollEvents events)
        => (events & PollEvents.HangUp) != 0 || (!Poller.ReportsHangUp && (events & PollEvents.PeerClosed) != 0
            && ((events & PollEvents.Error) != 0 || IsHungUp()));

    /// <summary>Whether our side may be shut down: by the output, or by an application that has the socket.</summary>
    private bool MayBeShutDown => _socket.IsInUse || Output.IsShutDown;

    /// <summary>
    /// Whether both FINs may be sent without our output: the peer has sent its own, and the application has the socket.
    /// </summary>
    internal bool MayHaveEnded => Input.PeerFinished && _socket.IsInUse;

    /// <summary>
    /// Whether a TCP connection that has reached its end was reset. As long as we have not shut it down, only a reset
    /// closes it both ways. A Unix socket whose peer has closed it has just finished. The caller holds a reference to
    /// the descriptor.
    /// </summary>
    internal bool IsReset()
        => !_isUnix && (MayBeShutDown ? Output.HasFailed : IsHungUpByPeer());

    /// <summary>
    /// Whether the connection is closed both ways, and not by our shutdown: that may come before the kernel is asked.
    /// </summary>
    private bool IsHungUpByPeer() => IsHungUp() && (!MayBeShutDown || Output.HasFailed);

    /// <summary>Asks the kernel. The loop may pass an event when the descriptor is closed already.</summary>
    private bool IsHungUp()
    {
        if (!_descriptor.TryAddReference())
        {
            return false;
        }

        var isHungUp = SocketCalls.IsHungUp(Fd);
        ReleaseReference();
        return isHungUp;
    }

    internal void OnInputEnded(StreamEnd end, SocketException? error)
    {
        switch (end)
        {
            case StreamEnd.Finished:
                ConnectionLog.ReadFin(_settings.Logger, this);
                break;
            case StreamEnd.Reset:
                ConnectionLog.Reset(_settings.Logger, this);
                break;
            default:
                ConnectionLog.Error(_settings.Logger, this, error!);
                break;
        }

        // Abort sets its flag and then looks for the end, so one of the two stops the halves.
        if (end != StreamEnd.Finished || _end.IsAborted)
        {
            // The reader can still read what was received.
            StopHalves();
        }

        if (end == StreamEnd.Finished)
        {
            Follow(_end.FinishPeer(isReceived: true, closes: !_settings.AllowHalfClose));
        }
        else
        {
            AnnounceClosed();
        }
    }

    /// <summary>The output has sent its FIN, and everything before it.</summary>
    internal void OnSendingFinished()
    {
        ConnectionLog.WriteFin(_settings.Logger, this, "The application finished sending.");
        Follow(_end.EndSending());
    }

    internal void OnSendFailed(int errno)
    {
        if (errno is Errno.EPIPE or Errno.ECONNRESET or Errno.ENOTCONN)
        {
            ConnectionLog.Reset(_settings.Logger, this);
        }
        else
        {
            ConnectionLog.Error(_settings.Logger, this, Errno.ToException(errno));
        }

        // An application that has shut the socket down fails to send too, and its peer may be alive. Then the
        // descriptor stays open until the peer's end, a limit, or dispose: ConnectionClosed fires, so the application
        // disposes.
        Input.OnSendFailed(isGone: errno == Errno.ECONNRESET || IsHungUp());
        if (_settings.AllowHalfClose || Output.FinishIsAsked)
        {
            Follow(_end.EndSending());
        }

        AnnounceClosed();
    }

    /// <summary>The peer has finished or is gone, and the reader is completed: it will not receive the end.</summary>
    internal void OnEndLeft()
    {
        if (_end.IsAborted)
        {
            StopHalves();
        }

        OnEndKnown();
    }

    /// <summary>The peer has finished or is gone. The input has not received the end, and perhaps never will.</summary>
    internal void OnEndKnown()
    {
        if (Input.PeerFinished)
        {
            Follow(_end.FinishPeer(isReceived: false, closes: !_settings.AllowHalfClose));
        }

        if (Input.IsBroken)
        {
            AnnounceClosed();
        }
    }
}
