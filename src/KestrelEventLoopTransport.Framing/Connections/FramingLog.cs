using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Events that a peer can cause are logged at Debug, errors of the application at Error.</summary>
internal static partial class FramingLog
{
    internal const string Category = "KestrelEventLoopTransport.Framing";

    [LoggerMessage(
        1,
        LogLevel.Error,
        "Connection id \"{ConnectionId}\": {Callback} threw an exception. The connection is being closed.",
        EventName = "CallbackFailed")]
    internal static partial void CallbackFailed(
        ILogger logger, string connectionId, string callback, Exception exception);

    [LoggerMessage(
        2,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" is being closed, because reading or writing failed.",
        EventName = "ConnectionFailed")]
    internal static partial void ConnectionFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(
        3, LogLevel.Debug, "Connection id \"{ConnectionId}\" is being aborted. {Reason}", EventName = "TimedOut")]
    internal static partial void TimedOut(ILogger logger, string connectionId, string reason);
}
