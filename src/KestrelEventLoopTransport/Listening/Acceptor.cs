using System.Net;
using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Listening.Balancing;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Accepts the connections of one listening socket, on the loop that polls it, and assigns each to a loop. An accept
/// that fails never ends the acceptor: Kestrel would stop listening for good.
/// </summary>
/// <remarks>
/// <para>
/// The states are bits of <see cref="Readiness"/>. <c>Ready</c>: there may be connections in the kernel's queue; set by
/// the loop's edges, and again by whoever ends a hold. <c>Busy</c>: one thread, whichever came first, is accepting; all
/// fields below that are not volatile belong to it. <c>Stopped</c>, <c>Released</c>: the end, see below.
/// </para>
/// <para>
/// An acceptor on hold has taken <c>Ready</c> away though connections may be left. Each reason has somebody who sets it
/// again: too many accepted connections that the application has not taken (<see cref="OnTaken"/>), as many open as
/// there may be (<see cref="OnRoom"/>), no descriptors or memory (<see cref="OnDescriptorFree"/> and a timer).
/// </para>
/// <para>
/// The end: <see cref="Drain"/> accepts what is in the queue, without holds and without turns; then <see cref="Stop"/>
/// sets <c>Stopped</c>, and whoever sets <c>Released</c>, the stopping or the busy thread, closes the socket.
/// </para>
/// </remarks>
internal sealed unsafe partial class Acceptor : IPollable, IThreadPoolWorkItem, IDispatchTarget
{
    private const int LongestPause = 1000;

    private readonly ListenSocket _socket;
    private readonly EventLoop _loop;
    private readonly EventLoopGroup _group;
    private readonly ListenerSettings _settings;
    private readonly ListenerAccount _account;
    private readonly LoopSelector _selector;
    private readonly AcceptQueue _queue;
    private readonly EndPoint? _localEndPoint;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _handingOver = new();
    private readonly int _batch;
    private readonly bool _refuses;
    private readonly bool _pauses;
    private readonly bool _runsUserCode;
    private Readiness _readiness;
    private ulong _token;
    private int _drainLeft;

    // Accepted and not yet taken by the application: counted up here, down there.
    private int _ahead;
    private int _full;

    // In the queue of those that wait for a connection to end. Set here, cleared by who takes it out.
    private int _awaitsRoom;
    private bool _abandoned;
    private volatile bool _draining;

    /// <param name="socket">The listening socket; the acceptor closes it.</param>
    /// <param name="loop">The loop that polls it.</param>
    /// <param name="group">The loops that get the connections.</param>
    /// <param name="settings">The listener's settings.</param>
    /// <param name="account">The listener's connections.</param>
    /// <param name="selector">Assigns connections to loops.</param>
    /// <param name="queue">Where connections go.</param>
    internal Acceptor(
        ListenSocket socket,
        EventLoop loop,
        EventLoopGroup group,
        ListenerSettings settings,
        ListenerAccount account,
        LoopSelector selector,
        AcceptQueue queue)
    {
        _socket = socket;
        _loop = loop;
        _group = group;
        _settings = settings;
        _account = account;
        _selector = selector;
        _queue = queue;

        var options = settings.Options;
        _batch = options.AcceptBatchSize;
        _refuses = options.MaxConnections is not null && options.MaxConnectionsPolicy == MaxConnectionsPolicy.Refuse;
        _pauses = options.MaxConnections is not null && !_refuses;
        _runsUserCode = options.ConfigureAcceptedSocket is not null || options.CustomLoadBalancer is not null;

        // Behind a wildcard address, every connection has a local address of its own; with IP_TRANSPARENT, which others
        // may have set, behind any (ip(7)).
        var mayBeTransparent = options.ConfigureListenSocket is not null || !socket.OwnsDescriptor;
        _localEndPoint = socket.EndPoint is IPEndPoint ip
            && (mayBeTransparent || ip.Address.Equals(IPAddress.Any) || ip.Address.Equals(IPAddress.IPv6Any))
                ? null
                : socket.EndPoint;
        _pauseEnd = new PauseEnd(this);
    }

    /// <summary>Begins to accept.</summary>
    internal void Start() => _token = _loop.Register(_socket.Fd, this);

    /// <summary>
    /// Accepts what is in the queue: the kernel resets it when the socket is closed. A socket that others have too
    /// keeps its queue for them.
    /// </summary>
    internal void Drain()
    {
        if (_socket.IsShared || _readiness.Has(ReadinessFlags.Stopped))
        {
            return;
        }
        // The queue cannot hold more than that, and what comes in meanwhile must not keep us here.
        _drainLeft = Math.Min(_settings.Options.Backlog, int.MaxValue - 1) + 1;
        _draining = true;
        _readiness.SetReady();
        Run();

        // If the loop was busy with it, it goes on now. A hook that does not return is not waited for.
        SpinWait.SpinUntil(() => !_readiness.Has(ReadinessFlags.Ready | ReadinessFlags.Busy), LongestPause);
    }

    /// <summary>Accepts no more. The task ends when the socket is closed.</summary>
    internal Task Stop()
    {
        if (!_socket.IsShared && _readiness.Has(ReadinessFlags.Busy))
        {
            // A hook may never return, and clients would be left in a queue that nobody reads. Once stopped, the
            // descriptor may be somebody else's.
            _ = Libc.shutdown(_socket.Fd, Posix.SHUT_RD);
        }

        if (_readiness.Stop())
        {
            Close();
        }

        return _closed.Task;
    }

    /// <summary>Nobody takes a connection any more that a hook still keeps.</summary>
    internal void Abandon()
    {
        lock (_handingOver)
        {
            _abandoned = true;
        }
    }

    /// <summary>The application has taken one of this acceptor's connections.</summary>
    internal void OnTaken()
    {
        if (Interlocked.Decrement(ref _ahead) <= _batch / 2
            && Volatile.Read(ref _full) != 0
            && Interlocked.Exchange(ref _full, 0) != 0)
        {
            EndHold();
        }
    }

    /// <summary>A connection of the listener has ended while this acceptor waited for that.</summary>
    internal void OnRoom()
    {
        Volatile.Write(ref _awaitsRoom, 0);
        EndHold();
    }

    public void OnReady(PollEvents events)
    {
        _readiness.SetReady();
        RunWhereAllowed();
    }

    void IThreadPoolWorkItem.Execute() => RunWhereAllowed();

    void IDispatchTarget.OnOverdue()
    {
        // Nothing waits for the end of a hook.
    }

    string IDispatchTarget.Describe() => $"a hook of the listener on {_socket.EndPoint}";

    private void EndHold()
    {
        _readiness.SetReady();
        _loop.Post(this);
    }

    private void RunWhereAllowed()
    {
        if (!_runsUserCode || !_loop.Callbacks.TryMoveToPool(this))
        {
            Run();
        }
    }

    /// <summary>Accepts until there is nothing left, a hold, or the loop's other work is due.</summary>
    private void Run()
    {
        for (var left = _batch; ; left--)
        {
            if (left == 0 && !_draining)
            {
                if (_readiness.Has(ReadinessFlags.Ready))
                {
                    _loop.Post(this);
                }

                return;
            }

            if (!_readiness.TryBeginCall())
            {
                return;
            }

            var added = false;
            var more = true;
            try
            {
                more = AcceptOnce(ref added);
            }
            finally
            {
                if (_readiness.EndCall(more))
                {
                    Close();
                }
            }

            if (added)
            {
                _queue.Announce(_loop);
            }

            if (ThreadActivity.Current is { LostLoop: true })
            {
                // Somebody else runs the loop now.
                _loop.Post(this);
                return;
            }
        }
    }

    /// <summary>
    /// One accept. Returns whether there may be more. Throws only if there is no memory even for a timer; then the next
    /// edge goes on.
    /// </summary>
    private bool AcceptOnce(ref bool added)
    {
        using var scope = _runsUserCode ? CallbackScope.Enter(this) : default;
        try
        {
            var more = MayAccept() && Accept(ref added);
            if (!more && Volatile.Read(ref _held) == 0)
            {
                // Perhaps somebody else has a use for the descriptor that would have been next.
                DescriptorWaiters.WakeNext();
            }

            return more;
        }
        catch (Exception)
        {
            // A logger that throws, or no memory even to say so.
            PauseLonger();
            return false;
        }
    }

    /// <summary>False when the acceptor goes on hold.</summary>
    private bool MayAccept()
    {
        if (_draining)
        {
            return --_drainLeft >= 0;
        }
        // New connections make edges during a pause too.
        return Volatile.Read(ref _held) == 0 && !IsFull();
    }

    /// <summary>
    /// Whether the application has enough to take. Then it lets the acceptor go on when it has taken half.
    /// </summary>
    private bool IsFull()
    {
        if (Volatile.Read(ref _ahead) < _batch)
        {
            return false;
        }

        Interlocked.Exchange(ref _full, 1);
        return Volatile.Read(ref _ahead) >= _batch || Interlocked.Exchange(ref _full, 0) == 0;
    }

    private bool Accept(ref bool added)
    {
        if (_pauses && !TryEnterOrWait())
        {
            return false;
        }

        try
        {
            var address = stackalloc byte[Posix.SockAddrStorageSize];
            uint length = Posix.SockAddrStorageSize;
            var fd = SocketCalls.Accept(_socket.Fd, address, &length, out var error);
            if (fd < 0)
            {
                return OnAcceptFailed(error);
            }

            _failures = 0;
            return TryAdd(fd, SocketAddressBytes.Span(address, length), ref added);
        }
        finally
        {
            if (_pauses && !added)
            {
                _account.Leave();
            }
        }
    }

    private bool TryEnterOrWait()
    {
        if (_account.TryEnter())
        {
            return true;
        }

        if (_draining)
        {
            return false;
        }

        if (Interlocked.Exchange(ref _awaitsRoom, 1) == 0)
        {
            ListenerLog.AcceptLimited(_settings.Logger, _socket.EndPoint, _settings.Options.MaxConnections!.Value);
            _account.Await(this);
        }

        return _account.TryEnter();
    }

    private void Close()
    {
        try
        {
            // Somebody else may hold the socket: closing our descriptor alone would leave it with the poller.
            _loop.Unregister(_token, _socket.Fd);
            _socket.Close();
        }
        finally
        {
            _closed.SetResult();
            DescriptorWaiters.WakeNext();
        }
    }
}
