using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>A connection that was accepted without its header, until the header is there or its time is up.</summary>
/// <remarks>
/// <para>
/// The start, the descriptor's events, the timer and the stop, which is posted, run as the accepting loop. So one
/// thread at a time is in here, and <c>_isDone</c> needs no atomic operation: it is set before the target is called,
/// and the target is called once. With the header it is called where application code may run, which can be a thread of
/// the pool. When the loop goes to another thread within the target, that thread finds <c>_isDone</c> set.
/// </para>
/// <para>
/// The states are: <i>new</i>, no token yet; <i>reading</i>, polled and with a timer; <i>done</i>, the target has the
/// descriptor, which the loop does not poll any more. A stop in <i>new</i> or <i>reading</i> leads to <i>done</i>. The
/// target holds a reference to the loops until then, so the loop does not end before.
/// </para>
/// <para>
/// One atomic word says whom the reader belongs to, because a start can fail after it was posted: to the loop, from its
/// first work item on, or to the caller that has taken the reader back (<see cref="TryTakeBack"/>). A reader that was
/// taken back does nothing and does not call the target.
/// </para>
/// </remarks>
internal sealed class ProxyHeaderReader : IPollable, IThreadPoolWorkItem
{
    private readonly EventLoop _loop;
    private readonly ProxyHeaderRules _rules;
    private readonly IProxyHeaderTarget _target;
    private readonly byte[] _remoteAddress;
    private readonly Deadline _deadline;
    private readonly long _due;
    private ProxyHeaderInput _input;
    private ulong _token;
    private Owner _owner;
    private bool _isPolled;
    private bool _isDue;
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
        _due = LoopClock.After(rules.Timeout);
    }

    private enum Owner
    {
        None,
        Loop,
        Starter,
    }

    internal int Fd { get; }

    /// <summary>The peer's address, as <c>accept(2)</c> gave it.</summary>
    internal ReadOnlySpan<byte> RemoteAddress => _remoteAddress;

    /// <summary>
    /// Begins to wait for the rest of the header. After an exception, <see cref="TryTakeBack"/> says whether it does.
    /// Any thread.
    /// </summary>
    internal void Start() => _loop.Post(this);

    /// <summary>
    /// For a start that has failed. True when the descriptor belongs to the caller again; false when the loop has begun
    /// in spite of the failure, and the target gets the outcome.
    /// </summary>
    internal bool TryTakeBack() => Interlocked.CompareExchange(ref _owner, Owner.Starter, Owner.None) == Owner.None;

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

        // What arrived before the end is read by then.
        const PollEvents end = PollEvents.PeerClosed | PollEvents.HangUp | PollEvents.Error;
        Read(hasEnded: (events & end) != 0);
    }

    public void OnLoopEnded() => Fail(ProxyHeaderProblem.Stopped);

    /// <summary>The start, the end of the time, or the stop.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (Interlocked.CompareExchange(ref _owner, Owner.Loop, Owner.None) == Owner.Starter)
        {
            return;
        }

        if (_isStopping)
        {
            Fail(ProxyHeaderProblem.Stopped);
        }
        else if (_isDue && !_isDone)
        {
            // If the loop was kept, the header may have come in time.
            Read(hasEnded: false);
            Fail(ProxyHeaderProblem.TimedOut(_rules.Timeout));
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
            _deadline.Set(_due);
        }
        catch (Exception exception)
        {
            Fail(ProxyHeaderProblem.Failed(exception));
        }
    }

    /// <summary>Receives what is there, and ends the wait if that decides.</summary>
    /// <param name="hasEnded">Whether nothing can come that is not there now.</param>
    private void Read(bool hasEnded)
    {
        try
        {
            var header = _input.Read(Fd, out var problem);
            if (header is not null)
            {
                Complete(header);
            }
            else if ((problem ?? (hasEnded ? _input.Ended : null)) is { } found)
            {
                Fail(found);
            }
        }
        catch (Exception exception) when (!_isDone)
        {
            // The header may be consumed. What comes next must not be taken for a header.
            Fail(ProxyHeaderProblem.Failed(exception));
        }
    }

    private void Complete(ProxyProtocolHeader header)
    {
        // Made first: when there is no memory for it, the wait has not ended yet.
        var completion = new Completion(_target, this, header);
        try
        {
            End();
            _loop.Callbacks.Run(completion);
        }
        catch (Exception exception) when (completion.TryTake())
        {
            _target.OnNoHeader(this, ProxyHeaderProblem.Failed(exception));
        }
    }

    private void Fail(in ProxyHeaderProblem problem)
    {
        if (!_isDone)
        {
            try
            {
                End();
            }
            finally
            {
                _target.OnNoHeader(this, problem);
            }
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
            // What follows from a header is application code.
            reader._isDue = true;
            Loop.Post(reader);
            return Never;
        }
    }

    private sealed class Completion(IProxyHeaderTarget target, ProxyHeaderReader reader, ProxyProtocolHeader header)
        : IThreadPoolWorkItem
    {
        private int _isTaken;

        /// <summary>True once: the caller calls the target.</summary>
        public bool TryTake() => Interlocked.Exchange(ref _isTaken, 1) == 0;

        public void Execute()
        {
            if (TryTake())
            {
                target.OnHeader(reader, header);
            }
        }
    }
}
