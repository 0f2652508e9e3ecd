using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// A logger that never throws. The transport logs in the middle of state changes. An exception of a logging provider
/// would leave a change half done: a connection would never finish, or a loop would end. On threads that must not wait
/// for a provider, the thread pool logs.
/// </summary>
internal sealed class SafeLogger : ILogger
{
    [ThreadStatic]
    private static bool _defers;

    private readonly ILogger _logger;
    private readonly PoolQueue<Action> _deferred = new(static log => log());

    private SafeLogger(ILogger logger) => _logger = logger;

    internal static SafeLogger Create(ILoggerFactory factory, string category) => new(factory.CreateLogger(category));

    /// <summary>From now on, the thread pool logs what the calling thread logs, a little later.</summary>
    internal static void DeferOnThisThread() => _defers = true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => _logger.BeginScope(state);

    /// <summary>
    /// True on a thread that defers. The thread pool asks the provider later, as that runs the provider's code too.
    /// </summary>
    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return _defers || _logger.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (_defers)
        {
            Defer(logLevel, eventId, state, exception, formatter);
        }
        else
        {
            LogNow(logLevel, eventId, state, exception, formatter);
        }
    }

    private void Defer<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
        => _deferred.Add(() =>
        {
            if (IsEnabled(logLevel))
            {
                LogNow(logLevel, eventId, state, exception, formatter);
            }
        });

    private void LogNow<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        try
        {
            _logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // A failed logger is where exceptions end.
        }
    }
}
