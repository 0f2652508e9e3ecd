using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Listening;

// Accepts that fail, and the pauses after those that will fail again. All fields belong to the thread that is accepting.
internal sealed unsafe partial class Acceptor
{
    private const int FirstPause = 5;

    // Accepts that may fail one after another before the acceptor pauses.
    private const int MaxFailures = 16;

    private readonly PauseEnd _pauseEnd;
    private int _failures;
    private int _pause;
    private long _pausedUntil;
    private bool _short;

    private bool OnAcceptFailed(int error)
    {
        switch (error)
        {
            case Errno.EAGAIN:
                EndPause();
                return false;
            case var _ when Errno.IsShortage(error) || (error != Errno.ECONNABORTED && ++_failures > MaxFailures):
                // Many failures in a row are not about single connections: a descriptor that somebody else closed, a
                // security module that forbids accepting. A busy loop would help nobody. A connection that was aborted has
                // at least left the queue, and clients can have that as often as they like.
                _account.CountFailed();
                Pause(Errno.ToException(error));
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
    /// Lets the kernel's backlog hold connections for a while, 5 ms doubling to 1 s. The episode lasts until the backlog
    /// is empty: a descriptor that becomes free now and then does not end it. One log line per episode and listener.
    /// </summary>
    private void Pause(Exception exception)
    {
        var begins = !_short && _account.BeginShortage();
        _short = true;
        SchedulePauseEnd();
        if (begins)
        {
            ListenerLog.AcceptPaused(_settings.Logger, _socket.EndPoint, exception);
        }
    }

    private void SchedulePauseEnd()
    {
        _pause = _pause == 0 ? FirstPause : Math.Min(_pause * 2, LongestPause);
        _pausedUntil = Environment.TickCount64 + _pause;
        _loop.Schedule(_pauseEnd, _pause);
    }

    private void EndPause()
    {
        _failures = 0;
        _pause = 0;
        if (_short)
        {
            _short = false;
            if (_account.EndShortage())
            {
                ListenerLog.AcceptResumed(_settings.Logger, _socket.EndPoint);
            }
        }
    }

    private sealed class PauseEnd(Acceptor acceptor) : IThreadPoolWorkItem
    {
        public void Execute() => acceptor.OnReady(PollEvents.Readable);
    }
}
