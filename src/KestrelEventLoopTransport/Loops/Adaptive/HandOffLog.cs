using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Says in the log when handlers block often: at most once a minute, and from 100 hand-offs in ten seconds on.
/// </summary>
internal sealed class HandOffLog
{
    private const int OftenPerPeriod = 100;
    private const long PeriodMilliseconds = 10_000;
    private const long QuietMilliseconds = 60_000;

    private readonly Lock _lock = new();
    private readonly ILogger _logger;
    private long _periodStart;
    private long _inPeriod;
    private long _quietUntil;

    internal HandOffLog(ILogger logger) => _logger = logger;

    /// <summary>Called by supervisors only. There are two while loops end and others start.</summary>
    internal void OnHandOff(IDispatchTarget? target)
    {
        long inPeriod;
        lock (_lock)
        {
            var now = Environment.TickCount64;
            if (now - _periodStart > PeriodMilliseconds)
            {
                _periodStart = now;
                _inPeriod = 0;
            }

            inPeriod = ++_inPeriod;
            if (inPeriod < OftenPerPeriod || now < _quietUntil || target is null)
            {
                return;
            }

            _quietUntil = now + QuietMilliseconds;
        }

        try
        {
            LoopLog.HandlersBlock(_logger, inPeriod, PeriodMilliseconds / 1000, target.Describe());
        }
        catch (Exception exception)
        {
            OnFailure(exception);
        }
    }

    /// <summary>A target that was called because its callback is overdue threw an exception.</summary>
    internal void OnFailure(Exception exception)
    {
        try
        {
            LoopLog.SupervisorFailed(_logger, exception);
        }
        catch (Exception)
        {
            // Then it was the logger that threw.
        }
    }
}
