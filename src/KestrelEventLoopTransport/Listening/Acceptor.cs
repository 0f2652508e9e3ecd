using System.Net;
using System.Threading.Tasks.Sources;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Accepts connections when asked for one, and gives each to the next loop. An accept that fails never ends the
/// acceptor: Kestrel would stop listening for good.
/// </summary>
/// <remarks>
/// The states are those of <see cref="Readiness"/>: one <c>AcceptAsync</c> at a time is running, parked or claimed;
/// the loop signals edges; <see cref="Stop"/> ends it. <c>Released</c> closes the listening socket.
/// </remarks>
internal sealed unsafe class Acceptor : IPollable, IDispatchTarget, IThreadPoolWorkItem, IValueTaskSource<ConnectionContext?>
{
    private const int FirstPause = 5;
    private const int LongestPause = 1000;

    // Connections accepted in one go on the loop's thread before its own connections get their turn.
    private const int MaxBurst = 64;

    // Accepts that may fail one after another before the acceptor pauses.
    private const int MaxFailures = 16;

    private readonly ListenSocket _socket;
    private readonly EventLoop _loop;
    private readonly EventLoopGroup _group;
    private readonly ListenerSettings _settings;
    private readonly ILogger _logger;
    private readonly EndPoint? _localEndPoint;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ulong _token;
    private Readiness _readiness;
    private ManualResetValueTaskSourceCore<bool> _source;
    private CancellationToken _cancellationToken;
    private CancellationTokenRegistration _registration;
    private StreamConnection? _accepted;
    private bool _waiting;
    private int _failures;
    private int _pause;
    private long _pausedUntil;
    private int _burst;
    private int _refused;

    internal Acceptor(ListenSocket socket, EventLoopGroup group, ListenerSettings settings)
    {
        _socket = socket;
        _group = group;
        _loop = group.Next();
        _settings = settings;
        _logger = settings.Logger;

        // Behind a wildcard address, every connection has a local address of its own.
        _localEndPoint = socket.EndPoint is IPEndPoint ip && (ip.Address.Equals(IPAddress.Any) || ip.Address.Equals(IPAddress.IPv6Any))
            ? null
            : socket.EndPoint;
        _token = _loop.Register(socket.Fd, this);
    }

    /// <summary>The next connection, or null once the acceptor is stopped.</summary>
    internal ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken)
    {
        if (_waiting)
        {
            throw new InvalidOperationException("An accept is in progress.");
        }
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ConnectionContext?>(cancellationToken);
        }
        if (++_burst > MaxBurst && _loop.IsCurrent)
        {
            _burst = 0;
            BeginWait(cancellationToken);
            var yielded = new ValueTask<ConnectionContext?>(this, _source.Version);
            _loop.Post(this);
            return yielded;
        }
        while (!TryFinish())
        {
            BeginWait(cancellationToken);
            var result = new ValueTask<ConnectionContext?>(this, _source.Version);
            if (_readiness.TryPark())
            {
                return result;
            }
            EndWait();
        }
        return new(TakeResult());
    }

    /// <summary>Accepts no more. The task ends when the listening socket is closed.</summary>
    internal Task Stop()
    {
        _readiness.Stop(out var released, out var claimed);
        if (released)
        {
            Close();
        }
        if (claimed)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        return _closed.Task;
    }

    public void OnReady(PollEvents events)
    {
        _burst = 0;
        if (!_readiness.Signal(Readiness.Ready))
        {
            return;
        }
        if (_loop.RunsApplication)
        {
            Resume();
        }
        else
        {
            _loop.PostToPool(this);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (!_loop.MovesToPool(this))
        {
            Resume();
        }
    }

    void IDispatchTarget.OnOverdue()
    {
        // Nothing waits for the end of an accept callback.
    }

    string IDispatchTarget.Describe() => $"the listener on {_socket.EndPoint}";

    ConnectionContext? IValueTaskSource<ConnectionContext?>.GetResult(short token)
    {
        EndWait();
        _source.GetResult(token);
        return TakeResult();
    }

    ValueTaskSourceStatus IValueTaskSource<ConnectionContext?>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ConnectionContext?>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _source.OnCompleted(continuation, state, token, flags);

    private void Resume()
    {
        while (!TryFinish())
        {
            if (_readiness.TryPark())
            {
                return;
            }
        }
        var slot = DispatchSlot.OfThread;
        var outer = slot?.Enter(this);
        try
        {
            _source.SetResult(true);
        }
        finally
        {
            slot?.Exit(outer);
        }
    }

    /// <summary>Brings the accept to an end if it can have one now: a connection, cancelled, stopped.</summary>
    private bool TryFinish()
    {
        while (true)
        {
            if (_readiness.Has(Readiness.Stopped | Readiness.TokenCanceled))
            {
                return true;
            }
            if (!_readiness.TryBegin())
            {
                if (_readiness.Has(Readiness.Ready | Readiness.Stopped))
                {
                    continue;
                }
                return false;
            }
            if (_readiness.End(more: AcceptOnce()))
            {
                Close();
            }
            if (_accepted is not null)
            {
                return true;
            }
        }
    }

    private StreamConnection? TakeResult()
    {
        var accepted = _accepted;
        _accepted = null;
        if (_readiness.Take(Readiness.TokenCanceled) && accepted is null)
        {
            throw new OperationCanceledException(_cancellationToken);
        }
        return accepted;
    }

    /// <summary>One accept. Never throws: Kestrel would stop listening for good.</summary>
    private bool AcceptOnce()
    {
        try
        {
            return Accept();
        }
        catch (Exception)
        {
            // A logger that throws, or no memory even to say so.
            SchedulePauseEnd();
            return false;
        }
    }

    /// <summary>Returns whether there may be more to accept.</summary>
    private bool Accept()
    {
        if (_pause != 0 && Environment.TickCount64 < _pausedUntil)
        {
            // New connections make edges during a pause; its timer comes.
            return false;
        }
        var address = stackalloc byte[Linux.SockAddrStorageSize];
        uint length = Linux.SockAddrStorageSize;
        var fd = Libc.accept4(_socket.Fd, address, &length, Linux.SOCK_CLOEXEC | Linux.SOCK_NONBLOCK);
        if (fd < 0)
        {
            return OnAcceptFailed(Errno.Last);
        }
        try
        {
            _accepted = Connect(fd, new ReadOnlySpan<byte>(address, (int)length));
        }
        catch (Exception exception)
        {
            // No memory, or no room for one more descriptor in the poller.
            Pause(exception);
            return false;
        }
        _failures = 0;
        if (_accepted is null && ++_refused >= MaxBurst)
        {
            // A hook that refuses a flood must not keep the loop from its connections.
            _refused = 0;
            _loop.Post(new PauseEnd(this));
            return false;
        }
        return true;
    }

    private StreamConnection? Connect(int fd, ReadOnlySpan<byte> remoteAddress)
    {
        var owned = false;
        try
        {
            if (!_settings.TryConfigureAccepted(fd, _socket.EndPoint, remoteAddress) || !_group.TryAddReference())
            {
                return null;
            }
            var connection = new StreamConnection(fd, _group.Next(), _group, _settings.Connections, remoteAddress, _localEndPoint);
            try
            {
                connection.Start();
                owned = true;
                return connection;
            }
            finally
            {
                if (!owned)
                {
                    _group.Release();
                }
            }
        }
        finally
        {
            if (!owned)
            {
                _settings.CloseUnused(fd);
            }
        }
    }

    private bool OnAcceptFailed(int error)
    {
        switch (error)
        {
            case Errno.EAGAIN:
                EndPause();
                return false;
            case var _ when Errno.IsShortage(error) || ++_failures > MaxFailures:
                // Many failures in a row are not about single connections: a descriptor that somebody else closed, a
                // security module that forbids accepting. A busy loop would help nobody.
                Pause(Errno.ToException(error));
                return false;
            default:
                // EINTR, and what went wrong with that one connection before it was accepted: ECONNABORTED, EPROTO,
                // EPERM from a firewall, network errors (accept(2): treat them like EAGAIN by retrying).
                ListenerLog.AcceptFailed(_logger, _socket.EndPoint, error);
                return true;
        }
    }

    /// <summary>
    /// Lets the kernel's backlog hold connections for a while, 5 ms doubling to 1 s. The episode lasts until the backlog
    /// is empty: a descriptor that becomes free now and then does not end it. One log line per episode.
    /// </summary>
    private void Pause(Exception exception)
    {
        var begins = _pause == 0;
        SchedulePauseEnd();
        if (begins)
        {
            ListenerLog.AcceptPaused(_logger, _socket.EndPoint, exception);
        }
    }

    private void SchedulePauseEnd()
    {
        _pause = _pause == 0 ? FirstPause : Math.Min(_pause * 2, LongestPause);
        _pausedUntil = Environment.TickCount64 + _pause;
        _loop.Schedule(new PauseEnd(this), _pause);
    }

    private void EndPause()
    {
        _failures = 0;
        if (_pause != 0)
        {
            _pause = 0;
            ListenerLog.AcceptResumed(_logger, _socket.EndPoint);
        }
    }

    private void BeginWait(CancellationToken cancellationToken)
    {
        _waiting = true;
        _source.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            _cancellationToken = cancellationToken;
            _registration = cancellationToken.UnsafeRegister(
                static acceptor => ((Acceptor)acceptor!).CancelByToken(), this);
        }
    }

    private void EndWait()
    {
        _waiting = false;
        _registration.Dispose();
        _registration = default;
    }

    private void CancelByToken()
    {
        if (_readiness.Signal(Readiness.TokenCanceled))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void Close()
    {
        try
        {
            _loop.Unregister(_token, _socket.OwnsDescriptor ? -1 : _socket.Fd);
            _socket.Close();
        }
        finally
        {
            _closed.SetResult();
        }
    }

    private sealed class PauseEnd(Acceptor acceptor) : IThreadPoolWorkItem
    {
        public void Execute() => acceptor.OnReady(PollEvents.Readable);
    }
}
