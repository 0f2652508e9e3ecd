using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Output;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// A connected stream socket, TCP or Unix. It is its own transport: the pipe reader receives from the socket, and the
/// pipe writer sends to it. This file has the loop's events and the application's callbacks,
/// <c>StreamConnection.Close.cs</c> has the end of the connection, <c>StreamConnection.Features.cs</c> has what the
/// application sees.
/// </summary>
internal sealed partial class StreamConnection
    : ConnectionContext, IDuplexPipe, IPollable, IDispatchTarget, IThreadPoolWorkItem
{
    /// <summary>Size in bytes of the blocks that Kestrel's memory pool rents out.</summary>
    internal const int BlockSize = 4096;

    /// <summary>Milliseconds until a system call that failed for lack of kernel memory is tried again.</summary>
    internal const int ShortageDelay = 10;

    private readonly ConnectionSettings _settings;
    private ulong _token;

    /// <param name="fd">
    /// The connected, non-blocking socket. <see cref="Register"/> makes the connection its owner.
    /// </param>
    /// <param name="loop">The loop that will poll it.</param>
    /// <param name="owner">Gets a call when the connection has ended.</param>
    /// <param name="settings">The listener's settings.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="localEndPoint">
    /// The local endpoint, where it is the same for all of the listener's connections.
    /// </param>
    internal StreamConnection(
        int fd,
        EventLoop loop,
        IConnectionOwner owner,
        ConnectionSettings settings,
        ReadOnlySpan<byte> remoteAddress,
        EndPoint? localEndPoint)
    {
        // One for each half, and one until EndStart.
        _descriptor = new DescriptorHandle(fd, references: 3);
        Loop = loop;
        _owner = owner;
        _settings = settings;
        _isUnix = SocketAddressBytes.IsUnix(remoteAddress);
        if (_isUnix)
        {
            _remoteEndPoint = SocketAddressBytes.ToEndPoint(remoteAddress);
        }
        else
        {
            _remoteAddress = SocketAddressBytes.From(remoteAddress);
        }

        _localEndPoint = localEndPoint;
        if (localEndPoint is null)
        {
            _localAddress = SocketAddressBytes.OfSocket(fd);
        }

        Input = new ConnectionInput(this);
        Output = new ConnectionOutput(this);
        _transport = this;
    }

    internal EventLoop Loop { get; }

    internal ConnectionInput Input { get; }

    internal ConnectionOutput Output { get; }

    internal MemoryPool<byte> Pool => Loop.Pool;

    internal long MaxReadBufferSize => _settings.MaxReadBufferSize;

    internal long MaxWriteBufferSize => _settings.MaxWriteBufferSize;

    internal int MaxReceiveBlocks => _settings.MaxReceiveBlocks;

    internal bool DefersFirstRead => _settings.DefersFirstRead;

    internal bool IsUnix => _isUnix;

    PipeReader IDuplexPipe.Input => Input;

    PipeWriter IDuplexPipe.Output => Output;

    /// <summary>
    /// The application keeps another descriptor of the same file. Called before <see cref="Register"/>.
    /// </summary>
    internal void MarkShared() => _socket = new ConnectionSocket { IsShared = true };

    /// <summary>Starts polling. From now on the loop calls <see cref="OnReady"/>.</summary>
    internal void Register()
    {
        _token = Loop.Register(Fd, this);
        if (_settings.Limits.RunFromAccept)
        {
            StartTimer();
        }
    }

    /// <summary>
    /// Starts polling a socket that the loop has polled while it was connecting.
    /// </summary>
    /// <param name="token">What <see cref="EventLoop.RegisterConnecting"/> returned.</param>
    internal void RegisterConnected(ulong token)
    {
        _token = token;
        Loop.EndConnecting(Fd, token, this);
        if (_settings.Limits.RunFromAccept)
        {
            StartTimer();
        }
    }

    /// <summary>
    /// Ends the start. Until now the descriptor stays open, because closing it needs the token: an event may have ended
    /// the connection while it was registered.
    /// </summary>
    internal void EndStart() => ReleaseReference();

    /// <summary>
    /// From now on the loop tells the output when the socket is writable. For the sender, which keeps the descriptor
    /// open. False when the kernel refuses.
    /// </summary>
    internal bool TryWatchWritable() => Loop.TryAddWritable(Fd, _token);

    public void OnReady(PollEvents events)
    {
        const PollEvents end = PollEvents.PeerClosed | PollEvents.HangUp;
        const PollEvents input = PollEvents.Readable | PollEvents.Urgent | PollEvents.Error | end;

        // The output first: the input may run a handler, which may keep this thread.
        if ((events & (PollEvents.Writable | PollEvents.Error | PollEvents.HangUp)) != 0)
        {
            Output.OnWritable(isLast: (events & input) == 0);
        }

        if ((events & end) != 0 && _settings.AllowHalfClose && IsOver(events))
        {
            // Before the input, for the same reason.
            Follow(_end.EndSending());
        }

        if ((events & input) != 0)
        {
            Loop.OnEdge(Output.IsWrittenOutside);
            Input.OnReadable(events);
        }

        // With a reader, the end is announced when it is received, after the bytes before it.
        if ((events & end) != 0 && Input.IsCompleted)
        {
            OnEndLeft();
        }
    }

    /// <summary>
    /// Whether an event says that a TCP connection was reset. When our side is shut down, the peer's FIN looks the same
    /// but for the error.
    /// </summary>
    internal bool WasReset(PollEvents events)
    {
        // The error queue of an open socket raises Error too.
        var end = Poller.ReportsHangUp ? PollEvents.HangUp : PollEvents.HangUp | PollEvents.PeerClosed;
        return !_isUnix && (MayBeShutDown
            ? (events & end) != 0 && (events & PollEvents.Error) != 0
            : (events & PollEvents.HangUp) != 0 || (!Poller.ReportsHangUp
                && ((events & PollEvents.Error) != 0 || ((events & PollEvents.PeerClosed) != 0 && IsHungUp()))));
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
        => !_isUnix && (MayBeShutDown ? Output.HasFailed : SocketCalls.IsHungUp(Fd));

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

    /// <summary>
    /// Runs application code, by completing what it awaits. Where the supervisor watches it, what it flushes meanwhile
    /// is corked and goes out at the end, or when the supervisor finds that there is none in sight.
    /// </summary>
    /// <param name="awaited">What the application awaits.</param>
    /// <param name="exception">What it fails with; null when it succeeds.</param>
    internal void Dispatch(ref ManualResetValueTaskSourceCore<bool> awaited, Exception? exception = null)
    {
        var scope = CallbackScope.Enter(this);
        using (scope)
        {
            Complete(ref awaited, exception);
        }

        if (scope.IsWatched)
        {
            Output.Uncork();
        }
    }

    private void Complete(ref ManualResetValueTaskSourceCore<bool> awaited, Exception? exception)
    {
        try
        {
            if (exception is null)
            {
                awaited.SetResult(true);
            }
            else
            {
                awaited.SetException(exception);
            }
        }
        catch (Exception thrown)
        {
            // A bare continuation threw. An async method would keep the exception in its task.
            Loop.OnCallbackFailed(thrown);
        }
    }

    void IDispatchTarget.OnOverdue()
    {
        Output.Uncork();
        Input.OnOverdue();
    }

    string IDispatchTarget.Describe() => $"connection {ConnectionId} to {LocalEndPoint}";

    /// <summary>The loop stops receiving ahead, because the application reads too slowly.</summary>
    internal void LogPause() => ConnectionLog.Pause(_settings.Logger, this);

    internal void LogResume() => ConnectionLog.Resume(_settings.Logger, this);

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

        // An application that has shut the socket down fails to send too, and its peer may be alive.
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
