using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// What the supervisor saw: counted for the metrics, and told in the log, rarely, when handlers block often.
/// </summary>
internal sealed partial class LoopCounters
{
    private const int OftenPerPeriod = 100;
    private const long PeriodMilliseconds = 10_000;
    private const long QuietMilliseconds = 60_000;

    private readonly ILogger _logger;
    private long _handOffs;
    private long _longestTicks;
    private long _periodStart;
    private long _inPeriod;
    private long _quietUntil;

    internal LoopCounters(ILogger logger) => _logger = logger;

    /// <summary>Loops taken away from a thread that was stuck in application code.</summary>
    internal long HandOffs => Volatile.Read(ref _handOffs);

    /// <summary>Threads beside the ones that run loops: parked, or stuck in application code.</summary>
    internal int StandbyThreads { get; set; }

    /// <summary>The longest time that application code kept a thread since this was last asked, to about a tick.</summary>
    internal TimeSpan TakeLongestCallback() => new(Interlocked.Exchange(ref _longestTicks, 0));

    internal void OnCallback(TimeSpan duration)
    {
        if (duration.Ticks > Volatile.Read(ref _longestTicks))
        {
            Volatile.Write(ref _longestTicks, duration.Ticks);
        }
    }

    /// <summary>Called by the supervisor only.</summary>
    internal void OnHandOff(IDispatchTarget? target)
    {
        Volatile.Write(ref _handOffs, _handOffs + 1);

        var now = Environment.TickCount64;
        if (now - _periodStart > PeriodMilliseconds)
        {
            _periodStart = now;
            _inPeriod = 0;
        }
        if (++_inPeriod < OftenPerPeriod || now < _quietUntil || target is null)
        {
            return;
        }
        _quietUntil = now + QuietMilliseconds;
        try
        {
            LogBlockedOften(_logger, _inPeriod, target.Describe());
        }
        catch (Exception exception)
        {
            OnFailure(exception);
        }
    }

    /// <summary>Telling a connection that its handler is overdue failed.</summary>
    internal void OnFailure(Exception exception)
    {
        try
        {
            LogSupervisorFailed(_logger, exception);
        }
        catch (Exception)
        {
            // It was the logger, then.
        }
    }

    [LoggerMessage(4, LogLevel.Error, "The supervisor of the event loops met an exception and goes on.", EventName = "SupervisorFailed")]
    private static partial void LogSupervisorFailed(ILogger logger, Exception exception);

    [LoggerMessage(3, LogLevel.Information, "Handlers block often: {Count} times in the last seconds an event loop had to go on without its thread, most recently for {Target}. Other connections are served, but each such handler costs a thread while it blocks.", EventName = "HandlersBlock")]
    private static partial void LogBlockedOften(ILogger logger, long count, string target);
}
