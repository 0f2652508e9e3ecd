using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Tells in the log, rarely, when handlers block often.
/// </summary>
internal sealed partial class HandOffLog
{
    private const int OftenPerPeriod = 100;
    private const long PeriodMilliseconds = 10_000;
    private const long QuietMilliseconds = 60_000;

    private readonly ILogger _logger;
    private long _periodStart;
    private long _inPeriod;
    private long _quietUntil;

    internal HandOffLog(ILogger logger) => _logger = logger;

    /// <summary>Called by the supervisor only.</summary>
    internal void OnHandOff(IDispatchTarget? target)
    {
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
