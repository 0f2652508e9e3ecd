using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Keeps what is logged: all of it, or what a test asks for.</summary>
internal sealed class CapturedLogs(Func<LogEntry, bool>? keep = null) : ILoggerProvider
{
    // A transport that spins while it cannot accept must fail its test, not exhaust the memory of the machine.
    private const int MaxEntries = 200_000;

    private readonly ConcurrentQueue<LogEntry> _entries = new();

    public IReadOnlyCollection<LogEntry> Entries => _entries;

    /// <summary>Takes the only entry, which the test expects.</summary>
    public LogEntry TakeSingle()
    {
        var entry = Assert.Single(_entries);
        _entries.Clear();
        return entry;
    }

    public void AssertEmpty() => Assert.True(_entries.IsEmpty, string.Join(Environment.NewLine, _entries));

    public ILogger CreateLogger(string categoryName) => new CategoryLogger(this, categoryName);

    public void Dispose()
    {
    }

    private void Add(LogEntry entry)
    {
        if (_entries.Count < MaxEntries && keep?.Invoke(entry) != false)
        {
            _entries.Enqueue(entry);
        }
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
            => logs.Add(new LogEntry(category, logLevel, eventId, formatter(state, exception), exception));
    }
}
