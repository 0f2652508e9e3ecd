using KestrelEventLoopTransport.Connections.Timing;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Connections;

// Deadlines and limits. ConnectionTimer has the times. A connection without any pays for one reference, and when it is
// read or written, for a count of receives and a look at a word that is read anyway.
internal sealed partial class StreamConnection
{
    private ConnectionTimer? _timer;

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
    internal bool IsOpen
        => _end.State is { Phase: ConnectionPhase.Open } state && !state.Has(ConnectionEndFlags.Aborted);

    /// <summary>What the limits are measured by.</summary>
    internal ConnectionActivity Activity => new()
    {
        Receives = Input.Receives,
        HasArrived = Input.HasArrived,
        IsAwaited = Input.IsAwaited,
        Wait = Input.Wait,
        Sent = Output.Sent,
        Unsent = Output.Unsent,
        IsDraining = Output.IsDraining,
    };

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

    /// <summary>The connection ends because of a limit.</summary>
    internal void OnLimit(ConnectionLimit limit)
    {
        var reason = _settings.Limits.ReasonFor(limit);

        // A FIN tells the peer that it has got all that was sent.
        if (IsOpen && TryAbort(reason, resets: Output.Unsent > 0))
        {
            _settings.Limits.Count(limit);
            ConnectionLog.TimedOut(_settings.Logger, this, reason.InnerException!.Message);
        }
    }

    /// <summary>
    /// The life of the connection is over: what is above is asked to close it when its current work is done, as Kestrel
    /// does for each connection of a server that stops. Without anybody to ask, the connection ends.
    /// </summary>
    internal void OnLifetimeOver() => ThreadPool.UnsafeQueueUserWorkItem(
        static connection => connection.AskToClose(), this, preferLocal: false);

    // On the thread pool, because the callbacks are the application's and may block. Kestrel has set the feature when it
    // began to serve the connection.
    private void AskToClose()
    {
        var feature = GetFeature(typeof(IConnectionLifetimeNotificationFeature));
        if (feature is not IConnectionLifetimeNotificationFeature above)
        {
            OnLimit(ConnectionLimit.MaxConnectionLifetime);
            return;
        }

        try
        {
            above.RequestClose();
        }
        catch (Exception exception)
        {
            Loop.OnCallbackFailed(exception);
        }
    }

    internal IOException ReadTimedOut()
        => TimedOut("The read", "ReadDeadline", Volatile.Read(ref _timer)?.ReadDeadline);

    internal IOException FlushTimedOut()
        => TimedOut("The flush", "WriteDeadline", Volatile.Read(ref _timer)?.WriteDeadline);

    private static IOException TimedOut(string operation, string name, DateTimeOffset? deadline)
    {
        var message = $"{name} has passed{(deadline is { } moment ? $": {moment:O}" : "")}.";
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
