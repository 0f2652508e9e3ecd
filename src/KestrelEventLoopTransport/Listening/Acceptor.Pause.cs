using KestrelEventLoopTransport.Descriptors;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Listening;

// Accepts that fail, and the pauses after those that will fail again.
//
// A pause ends when a descriptor of ours has been closed (_held is cleared by OnDescriptorFree), or by a timer: others
// free descriptors and memory too (PauseEnd). Whichever comes first makes the acceptor try. Who pauses sets _held and
// then looks whether one of them has come meanwhile; they leave their mark first and then clear _held.
internal sealed unsafe partial class Acceptor
{
    // Accepts that may fail one after another before the acceptor pauses.
    private const int MaxFailures = 16;

    private readonly PauseEnd _pauseEnd;
    private int _failures;
    private int _delay;
    private bool _short;

    // The acceptor pauses. Set by the accepting thread, cleared by anyone.
    private int _held;

    // It is in the queue of those that wait for a descriptor. Set by the accepting thread, cleared by who takes it out.
    private int _awaitsDescriptor;

    // When the timer comes that is set. Moved by the accepting thread and by the timer.
    private long _timerDue = long.MaxValue;

    /// <summary>
    /// Milliseconds between two tries of all acceptors that wait. A try costs nobody but the processor anything: 100 in
    /// a second take a few thousandths of it. Tests make it so long that only a closed descriptor can end a pause.
    /// </summary>
    internal static int RetryDelay { get; set; } = 10;

    /// <summary>
    /// There may be a descriptor for this acceptor, which is no longer in the queue of the waiting. False when it has
    /// stopped.
    /// </summary>
    internal bool OnDescriptorFree()
    {
        Interlocked.Exchange(ref _awaitsDescriptor, 0);
        Interlocked.Exchange(ref _held, 0);
        if (_readiness.Has(ReadinessFlags.Stopped))
        {
            return false;
        }

        EndHold();
        return true;
    }

    private bool OnAcceptFailed(int error)
    {
        switch (error)
        {
            case Errno.EAGAIN:
                EndShortage();
                return false;
            case var _ when Errno.IsShortage(error):
                _account.CountFailed();
                if (TryJoinWaiters())
                {
                    // One that was closed just before has woken nobody.
                    return true;
                }
                // Each acceptor's turn comes the less often, the more there are.
                Pause(RetryDelay * Math.Clamp(DescriptorWaiters.Count, 1, 100));
                if (BeginShortage())
                {
                    ListenerLog.AcceptShortage(_settings.Logger, _socket.EndPoint, Shortage.Describe(error));
                }

                return false;
            case var _ when error != Errno.ECONNABORTED && ++_failures > MaxFailures:
                // Many failures in a row are not about single connections: a descriptor that somebody else closed, a
                // security module that forbids accepting. A busy loop would help nobody. A connection that was aborted
                // has at least left the queue, and clients can have that as often as they like.
                _account.CountFailed();
                OnFailure(Errno.ToException(error));
                return false;
            default:
                // EINTR, and what went wrong with that one connection before it was accepted: ECONNABORTED, EPROTO,
                // EPERM from a firewall, network errors (accept(2): treat them like EAGAIN by retrying).
                _account.CountFailed();
                ListenerLog.AcceptFailed(_settings.Logger, _socket.EndPoint, Errno.ToSystem(error));
                return true;
        }
    }

    /// <summary>
    /// An accept that a client has lost its connection by, and that the next client will lose its by: the kernel's
    /// queue keeps them, for longer and longer times.
    /// </summary>
    private void OnFailure(Exception exception)
    {
        PauseLonger();
        if (BeginShortage())
        {
            ListenerLog.AcceptPaused(_settings.Logger, _socket.EndPoint, exception);
        }
    }

    private void PauseLonger()
    {
        TryJoinWaiters();
        _delay = Math.Max(Math.Min(_delay * 2, LongestPause), RetryDelay);
        Pause(_delay);
    }

    /// <summary>False when it is in the queue already.</summary>
    private bool TryJoinWaiters()
    {
        if (Interlocked.Exchange(ref _awaitsDescriptor, 1) != 0)
        {
            return false;
        }

        DescriptorWaiters.Join(this);
        return true;
    }

    /// <summary>Leaves connections to the kernel's queue until a descriptor is free, but no longer than that.</summary>
    private void Pause(int milliseconds)
    {
        Interlocked.Exchange(ref _held, 1);
        if (Volatile.Read(ref _awaitsDescriptor) == 0)
        {
            // Meanwhile one has become free.
            Volatile.Write(ref _held, 0);
            return;
        }

        var due = Environment.TickCount64 + milliseconds;
        if (due < Volatile.Read(ref _timerDue))
        {
            Volatile.Write(ref _timerDue, due);
            _loop.Schedule(_pauseEnd, milliseconds);
        }
    }

    /// <summary>True when an episode begins: it is logged once, for all acceptors of the listener.</summary>
    private bool BeginShortage()
    {
        if (_short)
        {
            return false;
        }

        _short = true;
        return _account.BeginShortage(Environment.TickCount64);
    }

    /// <summary>
    /// The kernel's queue is empty: a descriptor that becomes free now and then does not end an episode.
    /// </summary>
    private void EndShortage()
    {
        _failures = 0;
        _delay = 0;
        if (_short)
        {
            _short = false;
            if (_account.EndShortage(Environment.TickCount64))
            {
                ListenerLog.AcceptResumed(_settings.Logger, _socket.EndPoint);
            }
        }
    }

    private sealed class PauseEnd(Acceptor acceptor) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            if (Environment.TickCount64 < Volatile.Read(ref acceptor._timerDue))
            {
                // Set before a shorter pause, which another one ends or has ended.
                return;
            }

            Interlocked.Exchange(ref acceptor._timerDue, long.MaxValue);
            Interlocked.Exchange(ref acceptor._held, 0);
            acceptor.OnReady(PollEvents.Readable);
        }
    }
}
