using System.Net;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Keeps an acceptor from accepting while it would fail or must not: after failed accepts, and with as many connections
/// as the listener may have. Belongs to the accepting thread, but for the ends of the waits.
/// </summary>
/// <remarks>
/// A pause ends when this process closes a descriptor, or by a timer, because other processes free descriptors and
/// memory too. Whichever comes first makes the acceptor try again. No wait is missed: an acceptor joins a queue first
/// and then tries once more; a thread that frees something does that first and then looks into the queue.
/// </remarks>
internal sealed class AcceptHold(
    Acceptor acceptor, EventLoop loop, ListenerContext context, ConnectionLimiter limiter, EndPoint endPoint)
    : LoopTimer(loop)
{
    // Accepts that may fail one after another before the acceptor pauses.
    private const int MaxFailures = 16;

    // Milliseconds.
    private const int LongestPause = 1000;

    private HoldState _state;
    private int _failures;
    private int _pause;
    private bool _isShort;

    /// <summary>
    /// Milliseconds between two tries of all acceptors that wait for a descriptor. A hundred tries per second take a
    /// few thousandths of a processor. Tests make the time so long that only a closed descriptor can end a pause.
    /// </summary>
    internal static int RetryDelay { get; set; } = 10;

    internal bool IsPaused => _state.IsPaused;

    /// <summary>
    /// Makes room for one connection. False when the listener has as many as it may have: then the acceptor is called
    /// when one of them ends, unless it is draining.
    /// </summary>
    internal bool TryEnter(bool isDraining)
    {
        if (limiter.TryEnter())
        {
            return true;
        }

        if (isDraining)
        {
            return false;
        }

        if (_state.TryAwaitRoom())
        {
            limiter.Counts.Increment(ListenerCount.LimitPauses);
            ListenerLog.AcceptLimited(context.Logger, endPoint, context.Options.MaxConnections!.Value);
            limiter.NotifyWhenRoom(acceptor);
        }

        return limiter.TryEnter();
    }

    /// <summary>A connection of the listener has ended. Any thread.</summary>
    internal void OnRoom() => _state.EndRoomWait();

    /// <summary>There may be a descriptor for the acceptor. Any thread.</summary>
    internal void OnDescriptorFree() => _state.EndDescriptorWait();

    /// <summary>A connection has left the kernel's queue.</summary>
    internal void OnAccepted() => _failures = 0;

    /// <summary>A connection was added.</summary>
    internal void OnAdded() => _pause = 0;

    /// <summary><c>accept(2)</c> has failed. Returns whether another try may succeed now.</summary>
    internal bool OnAcceptFailed(int error)
    {
        switch (error)
        {
            case Errno.EAGAIN:
                EndShortage();
                return false;
            case var _ when Errno.IsShortage(error):
                limiter.Counts.Increment(ListenerCount.Failed);
                return OnShortage(error);
            case var _ when error != Errno.ECONNABORTED && ++_failures > MaxFailures:
                // Many failures in a row do not come from single connections: another part of the process has closed
                // the descriptor, or a security module forbids accepting. A busy loop would not help. An aborted
                // connection does not count: it has left the queue, and clients can abort as many as they like.
                limiter.Counts.Increment(ListenerCount.Failed);
                OnFailure(Errno.ToException(error));
                return false;
            default:
                // EINTR, and errors of one connection before it was accepted: ECONNABORTED, EPROTO, EPERM from a
                // firewall, network errors (accept(2): treat them like EAGAIN by retrying).
                limiter.Counts.Increment(ListenerCount.Failed);
                ListenerLog.AcceptFailed(context.Logger, endPoint, Errno.ToSystem(error));
                return true;
        }
    }

    /// <summary>
    /// A failure that has cost a client its connection and would cost the next one its connection too. The kernel's
    /// queue keeps them, for longer and longer times.
    /// </summary>
    internal void OnFailure(Exception exception)
    {
        PauseLonger();
        if (BeginShortage())
        {
            ListenerLog.AcceptPaused(context.Logger, endPoint, exception);
        }
    }

    /// <summary>Pauses twice as long as the last time, up to a second.</summary>
    internal void PauseLonger()
    {
        TryJoinWaiters();
        _pause = Math.Max(Math.Min(_pause * 2, LongestPause), RetryDelay);
        Pause(_pause);
    }

    protected override long OnDue(long now)
    {
        _state.EndPause();
        acceptor.GoOn();
        return Never;
    }

    private bool OnShortage(int error)
    {
        if (TryJoinWaiters())
        {
            // A descriptor that was closed just before has not woken this acceptor.
            return true;
        }

        // The more acceptors wait, the less often each tries.
        Pause(RetryDelay * Math.Clamp(DescriptorWaiters.Count, 1, 100));
        if (BeginShortage())
        {
            ListenerLog.AcceptShortage(context.Logger, endPoint, Shortage.Describe(error));
        }

        return false;
    }

    /// <summary>False when the acceptor is in the queue already.</summary>
    private bool TryJoinWaiters()
    {
        if (!_state.TryAwaitDescriptor())
        {
            return false;
        }

        DescriptorWaiters.Join(acceptor);
        return true;
    }

    /// <summary>
    /// Leaves connections to the kernel's queue until a descriptor is free, but not longer than the time given.
    /// </summary>
    private void Pause(int milliseconds)
    {
        if (!_state.TryPause())
        {
            return;
        }

        limiter.Counts.Increment(ListenerCount.ShortagePauses);

        var due = LoopClock.After(milliseconds);
        if (due < Due)
        {
            Set(due);
        }
    }

    /// <summary>
    /// True when an episode of failures begins. It is logged once, for all acceptors of the listener.
    /// </summary>
    private bool BeginShortage()
    {
        if (_isShort)
        {
            return false;
        }

        _isShort = true;
        return limiter.BeginShortage(Environment.TickCount64);
    }

    /// <summary>
    /// Ends the episode: the kernel's queue is empty. A descriptor that becomes free now and then does not end it.
    /// </summary>
    private void EndShortage()
    {
        _failures = 0;
        _pause = 0;
        if (_isShort)
        {
            _isShort = false;
            if (limiter.EndShortage(Environment.TickCount64))
            {
                ListenerLog.AcceptResumed(context.Logger, endPoint);
            }
        }
    }
}
