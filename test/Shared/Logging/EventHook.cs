using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

/// <summary>A logging provider that runs an action where the transport logs a certain event, on that thread.</summary>
internal sealed class EventHook(string name, Action action) : ILoggerProvider, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (eventId.Name == name)
        {
            action();
        }
    }

    public void Dispose()
    {
    }
}
