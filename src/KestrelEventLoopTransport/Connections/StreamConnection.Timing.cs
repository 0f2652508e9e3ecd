using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Connections;

// Deadlines and limits. ConnectionTimer has the times. A connection without any pays for one reference, and when it is
// read or written, for a count of receives and a look at a word that is read anyway.
internal sealed partial class StreamConnection
{
    private static readonly TimeSpan _maxCallbackTime = TimeSpan.FromSeconds(1);

    private ConnectionTimer? _timer;
    private bool _isTaken;

    // Set when a limit ends the connection.
    private TaskCompletionSource? _announced;

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
    internal ConnectionActivity Look()
    {
        var unsent = Output.Unsent;
        return new ConnectionActivity
        {
            Receives = Input.Receives,
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

    /// <summary>The connection ends because of a limit.</summary>
    internal void OnLimit(ConnectionLimit limit)
    {
        if (!IsOpen)
        {
            return;
        }

        var announced = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (Interlocked.CompareExchange(ref _announced, announced, null) is null
            && _end.State.Has(ConnectionEndFlags.Announced))
        {
            announced.TrySetResult();
        }

        // A FIN tells the peer that it has got all that was sent, and so what was flushed has to go out before.
        Output.Uncork();
        var reason = _settings.Limits.ReasonFor(limit);
        if (TryAbort(reason, resets: Output.Unsent > 0))
        {
            _settings.Limits.Count(limit);
            ConnectionLog.TimedOut(_settings.Logger, this, reason.InnerException!.Message);
        }
    }

    /// <summary>
    /// Resumes a read that a limit has ended, after the callbacks of <c>ConnectionClosed</c>. Kestrel learns there that
    /// the connection is gone, and then takes what the read throws for that and not for an error of the application.
    /// False: it is not a limit that ends the connection.
    /// </summary>
    internal bool TryResumeAfterClosed(IThreadPoolWorkItem read)
    {
        if (Volatile.Read(ref _announced) is not { } announced)
        {
            return false;
        }

        _ = ResumeAsync(announced.Task, read);
        return true;
    }

    private static async Task ResumeAsync(Task announced, IThreadPoolWorkItem read)
    {
        // A callback may block, and may even wait for the reader.
        await announced.WaitAsync(_maxCallbackTime)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        read.Execute();
    }

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
