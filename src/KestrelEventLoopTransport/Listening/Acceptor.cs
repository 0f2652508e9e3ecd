using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Listening.Balancing;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Accepts the connections of one listening socket, on the loop that polls the socket. A failed accept never ends the
/// acceptor: Kestrel would stop listening for good.
/// </summary>
/// <remarks>
/// <para>
/// The state is a <see cref="Readiness"/>. <c>Ready</c>: there may be connections in the kernel's queue. The loop sets
/// it on each edge, and the end of a hold sets it again. <c>Busy</c>: one thread, which may be any, is accepting; the
/// <see cref="ConnectionIntake"/> belongs to it. <c>Stopped</c> and <c>Released</c>: see below.
/// </para>
/// <para>
/// An acceptor on hold has cleared <c>Ready</c> although connections may be left. There are three reasons, and for each
/// an event that ends the hold: the application has too many accepted connections to take
/// (<see cref="ConnectionIntake.OnTaken"/>); the listener has as many open connections as it may have
/// (<see cref="OnRoom"/>); descriptors or memory are short (<see cref="OnDescriptorFree"/>, and a timer of
/// <see cref="AcceptHold"/>).
/// </para>
/// <para>
/// The end has two steps. <see cref="Drain"/> accepts what is in the kernel's queue, without holds and without turns
/// for the loop's other work. <see cref="Stop"/> sets <c>Stopped</c>. The thread that then sets <c>Released</c>, the
/// stopping or the busy one, closes the socket.
/// </para>
/// </remarks>
internal sealed class Acceptor : IPollable, IThreadPoolWorkItem, IDispatchTarget
{
    // Milliseconds.
    private const int LongestDrain = 1000;

    private readonly ListenSocket _socket;
    private readonly EventLoop _loop;
    private readonly AcceptQueue _queue;
    private readonly AcceptHold _hold;
    private readonly ConnectionIntake _intake;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _batchSize;
    private readonly bool _runsUserCode;
    private Readiness _readiness;
    private ulong _token;

    /// <param name="socket">The listening socket. The acceptor closes it.</param>
    /// <param name="loop">The loop that polls it.</param>
    /// <param name="group">The loops that get the connections.</param>
    /// <param name="context">What the acceptors of the listener share.</param>
    /// <param name="limiter">Counts and limits the connections.</param>
    /// <param name="selector">Assigns connections to loops.</param>
    /// <param name="queue">Gets the connections.</param>
    internal Acceptor(
        ListenSocket socket,
        EventLoop loop,
        EventLoopGroup group,
        ListenerContext context,
        ConnectionLimiter limiter,
        LoopSelector selector,
        AcceptQueue queue)
    {
        _socket = socket;
        _loop = loop;
        _queue = queue;
        _hold = new AcceptHold(this, loop, context, limiter, socket.EndPoint);
        var factory = new ConnectionFactory(socket, loop, group, context, limiter, selector);
        var proxies = context.ProxyHeaders is { } rules
            ? new ProxyIntake(this, socket, loop, group, context, rules, limiter)
            : null;
        _intake = new ConnectionIntake(this, socket, context.Options, limiter, factory, _hold, queue, proxies);
        _batchSize = context.Options.AcceptBatchSize;
        _runsUserCode = context.Options.ConfigureAcceptedSocket is not null
            || context.Options.CustomLoadBalancer is not null;
    }

    /// <summary>Begins to accept.</summary>
    internal void Start() => _token = _loop.Register(_socket.Fd, this);

    /// <summary>
    /// Accepts what is in the kernel's queue, which would be reset when the socket is closed. A socket that others hold
    /// too keeps its queue for them.
    /// </summary>
    internal void Drain()
    {
        if (_socket.IsShared || _readiness.Has(ReadinessFlags.Stopped))
        {
            return;
        }

        _intake.BeginDrain();
        _readiness.SetReady();
        Run();

        // If another thread is accepting, it drains now. A hook that does not return is not waited for.
        SpinWait.SpinUntil(() => !_readiness.Has(ReadinessFlags.Ready | ReadinessFlags.Busy), LongestDrain);
    }

    /// <summary>Accepts no more. The task completes when the socket is closed.</summary>
    internal Task Stop()
    {
        if (!_socket.IsShared && _readiness.Has(ReadinessFlags.Busy))
        {
            // A hook may never return, and then the socket stays open: clients must not wait in its queue. This comes
            // before Stopped: afterwards the number may belong to another file.
            _ = Libc.shutdown(_socket.Fd, Posix.SHUT_RD);
        }

        if (_readiness.Stop())
        {
            Close();
        }

        return _closed.Task;
    }

    /// <summary>
    /// Queues no more connections. A hook that is still running may yet produce one: it is closed. The task completes
    /// when connections that wait for a PROXY header are closed.
    /// </summary>
    internal Task AbandonAsync() => _intake.AbandonAsync();

    /// <summary>
    /// Goes on with a connection that has waited for its PROXY header. <see cref="Announce"/> has to follow. Where the
    /// application's code may run.
    /// </summary>
    /// <param name="fd">The accepted socket. Without a connection, it is closed.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="header">The header.</param>
    /// <param name="isAdded">Becomes true when there is a connection.</param>
    internal void AddProxied(
        int fd, ReadOnlySpan<byte> remoteAddress, ProxyProtocolHeader header, ref bool isAdded)
    {
        using var scope = _runsUserCode ? CallbackScope.Enter(this) : default;
        _intake.Add(fd, remoteAddress, header, ref isAdded);
    }

    /// <summary>Resumes the application if it waits for a connection.</summary>
    internal void Announce() => _queue.Announce(_loop);

    /// <summary>Accepts again after a hold, on the loop. Any thread.</summary>
    internal void GoOn()
    {
        _readiness.SetReady();
        _loop.Post(this);
    }

    /// <summary>A connection of the listener has ended, and this acceptor has waited for that. Any thread.</summary>
    internal void OnRoom()
    {
        _hold.OnRoom();
        GoOn();
    }

    /// <summary>
    /// There may be a descriptor for this acceptor, which is no longer in the queue. False when the acceptor has
    /// stopped: the caller wakes the next. Any thread.
    /// </summary>
    internal bool OnDescriptorFree()
    {
        _hold.OnDescriptorFree();
        if (_readiness.Has(ReadinessFlags.Stopped))
        {
            return false;
        }

        GoOn();
        return true;
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

    private void RunWhereAllowed()
    {
        if (!_runsUserCode || !_loop.Callbacks.TryMoveToPool(this))
        {
            Run();
        }
    }

    /// <summary>Accepts until the queue is empty, a hold begins or the loop's other work has its turn.</summary>
    private void Run()
    {
        for (var left = _batchSize; ; left--)
        {
            if (left == 0 && !_intake.IsDraining)
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

            var isAdded = false;
            var more = true;
            try
            {
                more = AcceptOnce(ref isAdded);
            }
            finally
            {
                if (_readiness.EndCall(more))
                {
                    Close();
                }
            }

            if (isAdded)
            {
                _queue.Announce(_loop);
            }

            if (ThreadActivity.Current is { LostLoop: true })
            {
                // The loop was handed off to another thread, which goes on.
                _loop.Post(this);
                return;
            }
        }
    }

    /// <summary>
    /// Accepts once. Returns whether there may be more. Throws only if there is no memory even for a timer; then the
    /// next edge goes on.
    /// </summary>
    private bool AcceptOnce(ref bool isAdded)
    {
        using var scope = _runsUserCode ? CallbackScope.Enter(this) : default;
        try
        {
            var more = _intake.Accept(ref isAdded);
            if (!more && !_hold.IsPaused)
            {
                // This acceptor may have been woken for a descriptor that it does not need: another may need it.
                DescriptorWaiters.WakeNext();
            }

            return more;
        }
        catch (Exception)
        {
            // A logger that throws, or no memory even to log.
            _hold.PauseLonger();
            return false;
        }
    }

    private void Close()
    {
        try
        {
            // Another process may hold the socket: closing our descriptor alone would leave it with the poller.
            _loop.Unregister(_token, _socket.Fd);
            _socket.Close();
        }
        finally
        {
            _hold.Cancel();
            _closed.SetResult();
            DescriptorWaiters.WakeNext();
        }
    }
}
