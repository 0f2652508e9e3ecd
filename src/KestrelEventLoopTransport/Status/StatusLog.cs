using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Status;

internal static partial class StatusLog
{
    [LoggerMessage(1, LogLevel.Information, "Connection {ConnectionId} was aborted on the status page.")]
    internal static partial void Aborted(ILogger logger, string connectionId);
}
