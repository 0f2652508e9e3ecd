using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// Keeps what nobody should see in these tests: errors of any category, and warnings of the transport.
/// </summary>
internal sealed class ServerLog : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _complaints = new();

    public IReadOnlyCollection<string> Complaints => _complaints;

    public ILogger CreateLogger(string categoryName)
        => new Category(categoryName, categoryName.Contains("Transport", StringComparison.Ordinal) ? LogLevel.Warning : LogLevel.Error, _complaints);

    public void Dispose()
    {
    }

    private sealed class Category(string name, LogLevel lowest, ConcurrentQueue<string> complaints) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= lowest;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                complaints.Enqueue($"{logLevel} {name}[{eventId.Id}] {formatter(state, exception)} {exception}");
            }
        }
    }
}
