using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Output;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// A connected stream socket: TCP or Unix. It is its own transport: the pipe reader receives, the pipe writer sends.
/// This file has identity and dispatch, <c>StreamConnection.Close.cs</c> the end of life,
/// <c>StreamConnection.Features.cs</c> the feature collection.
/// </summary>
internal sealed partial class StreamConnection : ConnectionContext, IDuplexPipe, IPollable, IDispatchTarget, IThreadPoolWorkItem
{
    /// <summary>Size of the blocks that buffers are made of: what Kestrel's memory pool hands out.</summary>
    internal const int BlockSize = 4096;

    /// <summary>Milliseconds after which a call that failed for want of kernel memory is tried again.</summary>
    internal const int ShortageDelay = 10;

    private readonly ConnectionSettings _settings;
    private ulong _token;

    /// <param name="fd">The connected, non-blocking socket. The connection owns it from here on.</param>
    /// <param name="loop">The loop that will poll it.</param>
    /// <param name="owner">Is told of the connection's end.</param>
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
        Fd = fd;
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

    internal int Fd { get; }

    internal EventLoop Loop { get; }

    internal ConnectionInput Input { get; }

    internal ConnectionOutput Output { get; }

    internal MemoryPool<byte> Pool => Loop.Pool;

    internal long MaxReadBufferSize => _settings.MaxReadBufferSize;

    internal long MaxWriteBufferSize => _settings.MaxWriteBufferSize;

    internal int MaxReceiveBlocks => _settings.MaxReceiveBlocks;

    internal bool RunsInline => Loop.Callbacks.RunOnLoop;

    /// <summary>
    /// Whether a receive that brings less than asked for has emptied the socket: true for TCP only, and only with a
    /// poller that tells of urgent data.
    /// </summary>
    internal bool ShortReceiveEmpties => !_isUnix && Poller.ReportsUrgentData;

    /// <summary>Whether the calling thread is inside <see cref="Dispatch"/> of this connection.</summary>
    internal bool IsDispatching => ThreadActivity.Current is { } activity && ReferenceEquals(activity.Target, this);

    /// <summary>
    /// Whether what the calling thread flushes waits for the end of <see cref="Dispatch"/>. Not when it is stuck there:
    /// then the supervisor does not look after it any more.
    /// </summary>
    internal bool HoldsOutput => ThreadActivity.Current is { State.IsStuck: false } activity && ReferenceEquals(activity.Target, this);

    PipeReader IDuplexPipe.Input => Input;

    PipeWriter IDuplexPipe.Output => Output;

    /// <summary>Starts polling. From here on the loop calls.</summary>
    internal void Start() => _token = Loop.Register(Fd, this);

    public void OnReady(PollEvents events)
    {
        const PollEvents end = PollEvents.PeerClosed | PollEvents.HangUp;
        const PollEvents input = PollEvents.Readable | PollEvents.Urgent | PollEvents.Error | end;

        // First what runs no application code: a handler may keep this thread, and the edge with it.
        if ((events & (PollEvents.Writable | PollEvents.Error | PollEvents.HangUp)) != 0)
        {
            Output.OnWritable(mayRunInline: (events & input) == 0);
        }

        if ((events & input) != 0)
        {
            Input.OnReadable(events);
        }
        // Otherwise whoever receives the end announces it, after what came before it.
        if ((events & end) != 0 && Input.IsCompleted)
        {
            AnnounceClosed();
        }
    }

    /// <summary>
    /// Whether an event says that a TCP connection was reset. Not where the application has the socket: it may have
    /// shut its side down.
    /// </summary>
    internal bool WasReset(PollEvents events)
        => !_isUnix && Volatile.Read(ref _socket) is null && ((events & PollEvents.HangUp) != 0 || (!Poller.ReportsHangUp
            && ((events & PollEvents.Error) != 0 || ((events & PollEvents.PeerClosed) != 0 && SocketCalls.IsHungUp(Fd)))));

    /// <summary>
    /// Whether a TCP connection that has reached its end was reset. Only then is it closed both ways, as long as we
    /// have not shut it down; the peer of a Unix socket that has closed it has just finished.
    /// </summary>
    internal bool IsReset()
        => !_isUnix && (Volatile.Read(ref _socket) is null ? SocketCalls.IsHungUp(Fd) : Output.HasFailed);

    /// <summary>
    /// Runs application code, by completing what it awaits. What it flushes meanwhile is corked and goes out at the
    /// end, or when the supervisor finds that there is none in sight.
    /// </summary>
    /// <param name="awaited">What the application awaits.</param>
    /// <param name="exception">What it fails with; null when it succeeds.</param>
    internal void Dispatch(ref ManualResetValueTaskSourceCore<bool> awaited, Exception? exception = null)
    {
        if (ThreadActivity.Current is not { } activity)
        {
            Complete(ref awaited, exception);
            return;
        }

        var outer = activity.Enter(this);
        try
        {
            Complete(ref awaited, exception);
        }
        finally
        {
            activity.Exit(outer);
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
            // By a bare continuation: an async method keeps what it throws.
            Loop.OnCallbackFailed(thrown);
        }
    }

    void IDispatchTarget.OnOverdue()
    {
        Output.Uncork();
        Input.OnOverdue();
    }

    string IDispatchTarget.Describe() => $"connection {ConnectionId} to {LocalEndPoint}";

    /// <summary>Nothing more is received ahead because the application reads too slowly.</summary>
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
        // An abort sets its reason and then looks for the end.
        if (end != StreamEnd.Finished || AbortReason is not null)
        {
            // What was received stays readable without the descriptor.
            StopHalves();
        }

        AnnounceClosed();
    }

    internal void OnSendFailed(int errno)
    {
        if (errno is Errno.EPIPE or Errno.ECONNRESET)
        {
            ConnectionLog.Reset(_settings.Logger, this);
        }
        else
        {
            ConnectionLog.Error(_settings.Logger, this, Errno.ToException(errno));
        }

        Input.OnSendFailed();
        AnnounceClosed();
    }

    /// <summary>The peer has finished or is gone, and the reader is completed.</summary>
    internal void OnEndLeft()
    {
        if (AbortReason is not null)
        {
            StopHalves();
        }

        AnnounceClosed();
    }
}
