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
/// <c>StreamConnection.PeerEnd.cs</c> what the peer's end does, <c>StreamConnection.Close.cs</c> the end of the
/// connection, <c>StreamConnection.Timing.cs</c> the time limits, and <c>StreamConnection.Features.cs</c> what the
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
    /// <param name="localAddress">The local IP address, where it is known already.</param>
    internal StreamConnection(
        int fd,
        EventLoop loop,
        IConnectionOwner owner,
        ConnectionSettings settings,
        ReadOnlySpan<byte> remoteAddress,
        EndPoint? localEndPoint,
        in SocketAddressBytes localAddress = default)
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
            _localAddress = localAddress.Length > 0 ? localAddress : SocketAddressBytes.OfSocket(fd);
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

    internal bool IsAccepted => _settings.AreAccepted;

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

    string IDispatchTarget.Describe() => $"connection {ConnectionId} to {PeekLocal()}";

    /// <summary>The loop stops receiving ahead, because the application reads too slowly.</summary>
    internal void LogPause() => ConnectionLog.Pause(_settings.Logger, this);

    internal void LogResume() => ConnectionLog.Resume(_settings.Logger, this);
}
