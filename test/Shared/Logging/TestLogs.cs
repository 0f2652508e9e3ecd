using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

/// <summary>A logging provider that gets all that is logged, on the thread that logs.</summary>
internal abstract class TestLogs : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new CategoryLogger(this, categoryName);

    public void Dispose()
    {
    }

    protected abstract void OnLogged(LogEntry entry);

    private sealed class CategoryLogger(TestLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter)
            => logs.OnLogged(new LogEntry(category, logLevel, eventId, formatter(state, exception), exception));
    }
}
