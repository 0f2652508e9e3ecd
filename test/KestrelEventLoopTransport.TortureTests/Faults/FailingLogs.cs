using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>A logger that throws now and then, for what the transport says.</summary>
internal sealed class FailingLogs(int oneIn) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName)
        => new FailingLogger(categoryName.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal) ? oneIn : int.MaxValue);

    public void Dispose()
    {
    }

    private sealed class FailingLogger(int oneIn) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (Random.Shared.Next(oneIn) == 0)
            {
                throw new InvalidOperationException("The torture test's logger throws.");
            }
        }
    }
}
