using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Connections;

// Deadlines and limits. ConnectionTimer has the times. A connection without any pays for one reference, and when it is
// read or written, for a look at a word that is read anyway.
internal sealed partial class StreamConnection
{
    // Milliseconds that the halves wait for the callbacks of ConnectionClosed after a limit.
    private const int MaxCallbackTime = 1000;

    private ConnectionTimer? _timer;
    private bool _isTaken;

    DateTimeOffset? IConnectionDeadlineFeature.ReadDeadline
    {
        get => Volatile.Read(ref _timer)?.ReadDeadline;
        set => SetDeadlines(reads: true, writes: false, value);
    }

    DateTimeOffset? IConnectionDeadlineFeature.WriteDeadline
    {
        get => Volatile.Read(ref _timer)?.WriteDeadline;
        set => SetDeadlines(reads: false, writes: true, value);
    }

    /// <summary>Whether nothing has ended the connection yet. A connection that drains is open.</summary>
    internal bool IsOpen => _end.State.IsOpen;

    /// <summary>What the limits are measured by.</summary>
    internal ConnectionActivity Look()
    {
        var unsent = Output.Unsent;
        return new ConnectionActivity
        {
            Received = Input.ReceivedBytes,
            HasArrived = Input.HasArrived,
            IsAwaited = Input.IsAwaited,
            Wait = Input.Wait,
            IsTaken = Volatile.Read(ref _isTaken),
            PeerFinished = Input.PeerGone || Input.HasEnded,
            Sent = Output.Sent - (unsent > 0 ? CountUntaken() : 0),
            Unsent = unsent,
            IsDraining = Output.IsDraining,
        };
    }

    /// <summary>The application gets the connection. Until then it is not idle.</summary>
    internal void OnTaken() => Volatile.Write(ref _isTaken, true);

    void IConnectionDeadlineFeature.SetDeadlines(DateTimeOffset? deadline)
        => SetDeadlines(reads: true, writes: true, deadline);

    /// <summary>The application has completed its output, and the peer does not take it all at once.</summary>
    internal void OnDraining()
    {
        if (_settings.Limits.DrainIsLimited)
        {
            StartTimer();
        }
    }

    /// <summary>
    /// The connection ends because of a limit. Nothing more is sent from now on. Receiving ends after the callbacks of
    /// <c>ConnectionClosed</c>, or after a second if they do not return.
    /// </summary>
    internal void OnLimit(ConnectionLimit limit)
    {
        if (!IsOpen)
        {
            return;
        }

        // A FIN tells the peer that it has got all that was sent, and so what was flushed has to go out before.
        Output.Uncork();
        var reason = _settings.Limits.ReasonFor(limit);
        if (Interlocked.CompareExchange(ref _abortReason, reason, null) is not null)
        {
            return;
        }

        var resets = Output.Unsent > 0 && MayReset;
        var action = _end.Expire(resets, out var wasOpen);
        LogAbort(reason, resets);
        Output.Stop();
        Follow(action);
        if (wasOpen)
        {
            GetTimer().StopAfter(MaxCallbackTime);
            ForgetTimerIfEnded();
            _settings.Limits.Count(limit);
            ConnectionLog.TimedOut(_settings.Logger, this, reason.InnerException!.Message);
        }
    }

    /// <summary>After a limit, callbacks of <c>ConnectionClosed</c> have not returned in time.</summary>
    internal void OnCallbacksOverdue() => StopHalves();

    /// <summary>
    /// The life of the connection is over: what is above is asked to close it when its current work is done, as Kestrel
    /// does for each connection of a server that stops. Without anybody to ask, the connection ends.
    /// </summary>
    internal void OnLifetimeOver() => ThreadPool.UnsafeQueueUserWorkItem(
        static connection => connection.AskToClose(), this, preferLocal: false);

    // On the thread pool, because the callbacks are the application's and may block. Kestrel sets the feature when it
    // begins to serve the connection.
    private void AskToClose()
    {
        IConnectionLifetimeNotificationFeature? above = null;
        try
        {
            above = GetFeature(typeof(IConnectionLifetimeNotificationFeature))
                as IConnectionLifetimeNotificationFeature;
            above?.RequestClose();
        }
        catch (Exception exception)
        {
            Loop.OnCallbackFailed(exception);
        }

        if (above is null)
        {
            OnLimit(ConnectionLimit.MaxConnectionLifetime);
        }
    }

    /// <summary>Asks the kernel. The descriptor may be closed already.</summary>
    private int CountUntaken()
    {
        if (!_descriptor.TryAddReference())
        {
            return 0;
        }

        var count = SocketCalls.GetUntaken(Fd);
        ReleaseReference();
        return count;
    }

    internal IOException ReadTimedOut()
        => TimedOut("The read", "ReadDeadline", Volatile.Read(ref _timer)?.ReadDeadline);

    internal IOException FlushTimedOut()
        => TimedOut("The flush", "WriteDeadline", Volatile.Read(ref _timer)?.WriteDeadline);

    private static IOException TimedOut(string operation, string name, DateTimeOffset? deadline)
    {
        // The deadline may have been moved since it passed.
        var passed = deadline is { } moment && moment <= DateTimeOffset.UtcNow ? $": {moment:O}" : "";
        var message = $"{name} has passed{passed}.";
        return new IOException($"{operation} timed out. {message}", new TimeoutException(message));
    }

    private void SetDeadlines(bool reads, bool writes, DateTimeOffset? deadline)
    {
        GetTimer().SetDeadlines(reads, writes, deadline);
        ForgetTimerIfEnded();
    }

    private void StartTimer()
    {
        GetTimer().Look();
        ForgetTimerIfEnded();
    }

    private ConnectionTimer GetTimer()
    {
        if (Volatile.Read(ref _timer) is { } timer)
        {
            return timer;
        }

        timer = new ConnectionTimer(this, Loop, _settings.Limits);
        return Interlocked.CompareExchange(ref _timer, timer, null) ?? timer;
    }

    /// <summary>The descriptor is gone. Another thread that sets the timer finds that after it has set it.</summary>
    private void StopTimer() => Volatile.Read(ref _timer)?.Cancel();

    private void ForgetTimerIfEnded()
    {
        if (_end.State.Phase == ConnectionPhase.Closed)
        {
            StopTimer();
        }
    }
}
