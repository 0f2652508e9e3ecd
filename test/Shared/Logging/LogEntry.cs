using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Testing;

internal sealed record LogEntry(string Category, LogLevel Level, EventId EventId, string Message, Exception? Exception)
{
    public override string ToString() => $"{Level} {Category}[{EventId.Id} {EventId.Name}] {Message} {Exception}";
}
