using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// A logger that never throws. The transport logs in the middle of state changes, which an exception of a logging
/// provider (<see cref="ILogger"/> passes them on) would leave half done: a connection that is never finished, a loop
/// that ends.
/// </summary>
internal sealed class SafeLogger : ILogger
{
    private readonly ILogger _logger;

    private SafeLogger(ILogger logger) => _logger = logger;

    internal static SafeLogger Create(ILoggerFactory factory, string category) => new(factory.CreateLogger(category));

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => _logger.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return _logger.IsEnabled(logLevel);
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
        try
        {
            _logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // There is nobody left to tell.
        }
    }
}
