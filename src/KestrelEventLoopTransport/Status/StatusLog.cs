using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Status;

/// <summary>Log messages about the status page.</summary>
internal static partial class StatusLog
{
    [LoggerMessage(
        1,
        LogLevel.Information,
        "Connection id \"{ConnectionId}\" was aborted on the status page.",
        EventName = "ConnectionAborted")]
    internal static partial void Aborted(ILogger logger, string connectionId);
}
