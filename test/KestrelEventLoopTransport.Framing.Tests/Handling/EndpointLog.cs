using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>Keeps what was logged above Debug by the framing, and errors of anybody.</summary>
internal sealed class EndpointLog : ILoggerProvider
{
    public ConcurrentQueue<string> Complaints { get; } = new();

    /// <summary>Takes the only complaint, which the test expects.</summary>
    public string TakeSingle()
    {
        var complaint = Assert.Single(Complaints);
        Complaints.Clear();
        return complaint;
    }

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Category(EndpointLog log, string name) : ILogger
    {
        private readonly LogLevel _lowest =
            name.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal) ? LogLevel.Information : LogLevel.Error;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // That handlers keep their loops for long is true where a test keeps all processors busy.
            if (logLevel >= _lowest && eventId.Name != "HandlersBlock")
            {
                log.Complaints.Enqueue($"{logLevel} {name}[{eventId}] {formatter(state, exception)} {exception}");
            }
        }
    }
}
