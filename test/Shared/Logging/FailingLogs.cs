using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

/// <summary>A logging provider that throws when told so, for what the transport says.</summary>
internal sealed class FailingLogs(Func<bool> fails) : ILoggerProvider
{
    private static readonly Func<bool> _never = static () => false;

    public ILogger CreateLogger(string categoryName)
        => new FailingLogger(
            categoryName.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal) ? fails : _never);

    public void Dispose()
    {
    }

    private sealed class FailingLogger(Func<bool> fails) : ILogger
    {
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
            if (fails())
            {
                throw new InvalidOperationException("The test's logger throws.");
            }
        }
    }
}
