using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests;

internal sealed class CapturedLogs : ILoggerProvider
{
    // A transport that spins while it cannot accept must fail its test, not exhaust the memory of the machine.
    private const int MaxEntries = 200_000;

    private readonly ConcurrentQueue<LogEntry> _entries = new();

    public IReadOnlyCollection<LogEntry> Entries => _entries;

    public ILogger CreateLogger(string categoryName) => new CategoryLogger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class CategoryLogger(CapturedLogs logs, string category) : ILogger
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
        {
            if (logs._entries.Count < MaxEntries)
            {
                logs._entries.Enqueue(new LogEntry(category, logLevel, eventId, formatter(state, exception), exception));
            }
        }
    }
}
