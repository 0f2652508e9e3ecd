using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>A connection that was accepted without its header, until the header is there or its time is up.</summary>
/// <remarks>
/// <para>
/// All of it runs as the accepting loop: the start, the descriptor's events, the timer, and the stop, which is posted
/// to the loop. So one thread at a time is in here, and the state needs no atomic operation: <c>_isDone</c> is set
/// before the target is called, and the target is called once. When a loop goes to another thread within the target,
/// that thread finds <c>_isDone</c> set.
/// </para>
/// <para>
/// The states are: <i>new</i>, no token yet; <i>reading</i>, polled and with a timer; <i>done</i>, the target has the
/// descriptor, which the loop does not poll any more. A stop in <i>new</i> or <i>reading</i> leads to <i>done</i>. The
/// target holds a reference to the loops until then, so the loop does not end before.
/// </para>
/// </remarks>
internal sealed class ProxyHeaderReader : IPollable, IThreadPoolWorkItem
{
    private readonly EventLoop _loop;
    private readonly ProxyHeaderRules _rules;
    private readonly IProxyHeaderTarget _target;
    private readonly byte[] _remoteAddress;
    private readonly Deadline _deadline;
    private ProxyHeaderInput _input;
    private ulong _token;
    private bool _isPolled;
    private bool _isDone;
    private volatile bool _isStopping;

    /// <param name="fd">The accepted socket. The target gets it back.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="input">What has received the first part of the header.</param>
    /// <param name="loop">The accepting loop.</param>
    /// <param name="rules">What the listener expects.</param>
    /// <param name="target">Gets the outcome.</param>
    internal ProxyHeaderReader(
        int fd,
        ReadOnlySpan<byte> remoteAddress,
        in ProxyHeaderInput input,
        EventLoop loop,
        ProxyHeaderRules rules,
        IProxyHeaderTarget target)
    {
        Fd = fd;
        _remoteAddress = remoteAddress.ToArray();
        _input = input;
        _loop = loop;
        _rules = rules;
        _target = target;
        _deadline = new Deadline(this, loop);
    }

    internal int Fd { get; }

    /// <summary>The peer's address, as <c>accept(2)</c> gave it.</summary>
    internal ReadOnlySpan<byte> RemoteAddress => _remoteAddress;

    /// <summary>Begins to wait for the rest of the header. Any thread.</summary>
    internal void Start() => _loop.Post(this);

    /// <summary>Gives the connection up, if it still waits. Any thread.</summary>
    internal void Stop()
    {
        _isStopping = true;
        _loop.Post(this);
    }

    public void OnReady(PollEvents events)
    {
        if (_isDone)
        {
            return;
        }

        var header = _input.Read(Fd, out var problem);
        if (header is not null)
        {
            End();
            _loop.Callbacks.Run(new Completion(_target, this, header));
            return;
        }

        // What arrived before the end is read by now.
        const PollEvents end = PollEvents.PeerClosed | PollEvents.HangUp | PollEvents.Error;
        problem ??= (events & end) != 0 ? _input.Ended : null;
        if (problem is { } found)
        {
            Fail(found);
        }
    }

    public void OnLoopEnded() => Fail(ProxyHeaderProblem.Stopped);

    /// <summary>The start, or the stop.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_isStopping)
        {
            Fail(ProxyHeaderProblem.Stopped);
        }
        else if (!_isPolled && !_isDone)
        {
            Poll();
        }
    }

    private void Poll()
    {
        try
        {
            // If bytes are there already, that is an edge.
            _token = _loop.Register(Fd, this);
            _isPolled = true;
            _deadline.Set(LoopClock.After(_rules.Timeout));
        }
        catch (Exception exception)
        {
            Fail(ProxyHeaderProblem.Failed(exception));
        }
    }

    private void Fail(in ProxyHeaderProblem problem)
    {
        if (!_isDone)
        {
            End();
            _target.OnNoHeader(this, problem);
        }
    }

    private void End()
    {
        _isDone = true;
        if (_isPolled)
        {
            _deadline.Cancel();

            // The descriptor stays open, so the poller has to drop it.
            _loop.Unregister(_token, Fd);
        }
    }

    private sealed class Deadline(ProxyHeaderReader reader, EventLoop loop) : LoopTimer(loop)
    {
        protected override long OnDue(long now)
        {
            reader.Fail(ProxyHeaderProblem.TimedOut(reader._rules.Timeout));
            return Never;
        }
    }

    private sealed class Completion(IProxyHeaderTarget target, ProxyHeaderReader reader, ProxyProtocolHeader header)
        : IThreadPoolWorkItem
    {
        public void Execute() => target.OnHeader(reader, header);
    }
}
