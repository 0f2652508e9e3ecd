using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>What a peer can cause is logged at Debug, what the application does wrong at Error.</summary>
internal static partial class FramingLog
{
    internal const string Category = "KestrelEventLoopTransport.Framing";

    [LoggerMessage(1, LogLevel.Error, "Connection id \"{ConnectionId}\": {Callback} threw an exception. The connection is closed.", EventName = "CallbackFailed")]
    internal static partial void CallbackFailed(ILogger logger, string connectionId, string callback, Exception exception);

    [LoggerMessage(2, LogLevel.Debug, "Connection id \"{ConnectionId}\" is closed: it could not be read, or written to.", EventName = "ConnectionFailed")]
    internal static partial void ConnectionFailed(ILogger logger, string connectionId, Exception exception);
}
