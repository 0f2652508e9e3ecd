using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// Log messages about connections. Event ids, names and texts are those of Kestrel's sockets transport, except for
/// <see cref="ClosedCallbackFailed"/>, <see cref="FinishedCallbackFailed"/> and <c>ConnectionTimedOut</c>. Whatever a
/// remote peer can cause is logged at Debug.
/// </summary>
internal static partial class ConnectionLog
{
    internal static void ReadFin(ILogger logger, ConnectionContext connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            ReadFin(logger, connection.ConnectionId);
        }
    }

    internal static void WriteFin(ILogger logger, ConnectionContext connection, string reason)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            WriteFin(logger, connection.ConnectionId, reason);
        }
    }

    internal static void WriteRst(ILogger logger, ConnectionContext connection, string reason)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            WriteRst(logger, connection.ConnectionId, reason);
        }
    }

    internal static void Pause(ILogger logger, ConnectionContext connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Pause(logger, connection.ConnectionId);
        }
    }

    internal static void Resume(ILogger logger, ConnectionContext connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Resume(logger, connection.ConnectionId);
        }
    }

    internal static void Error(ILogger logger, ConnectionContext connection, Exception exception)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Error(logger, connection.ConnectionId, exception);
        }
    }

    internal static void Reset(ILogger logger, ConnectionContext connection)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            Reset(logger, connection.ConnectionId);
        }
    }

    internal static void TimedOut(ILogger logger, ConnectionContext connection, string reason)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            TimedOut(logger, connection.ConnectionId, connection.LocalEndPoint, reason);
        }
    }

    [LoggerMessage(
        25,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" to {EndPoint} timed out: {Reason}",
        EventName = "ConnectionTimedOut", SkipEnabledCheck = true)]
    private static partial void TimedOut(
        ILogger logger, string connectionId, EndPoint? endPoint, string reason);

    [LoggerMessage(
        20,
        LogLevel.Error,
        "Connection id \"{ConnectionId}\": a callback registered on ConnectionClosed threw an exception.",
        EventName = "ConnectionClosedCallbackFailed")]
    internal static partial void ClosedCallbackFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(
        21,
        LogLevel.Error,
        "Connection id \"{ConnectionId}\": a callback registered on PeerFinished threw an exception.",
        EventName = "PeerFinishedCallbackFailed")]
    internal static partial void FinishedCallbackFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(
        4,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" paused.",
        EventName = "ConnectionPause", SkipEnabledCheck = true)]
    private static partial void Pause(ILogger logger, string connectionId);

    [LoggerMessage(
        5,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" resumed.",
        EventName = "ConnectionResume", SkipEnabledCheck = true)]
    private static partial void Resume(ILogger logger, string connectionId);

    [LoggerMessage(
        6,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" received FIN.",
        EventName = "ConnectionReadFin", SkipEnabledCheck = true)]
    private static partial void ReadFin(ILogger logger, string connectionId);

    [LoggerMessage(
        7,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" sending FIN because: \"{Reason}\"",
        EventName = "ConnectionWriteFin", SkipEnabledCheck = true)]
    private static partial void WriteFin(ILogger logger, string connectionId, string reason);

    [LoggerMessage(
        8,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" sending RST because: \"{Reason}\"",
        EventName = "ConnectionWriteRst", SkipEnabledCheck = true)]
    private static partial void WriteRst(ILogger logger, string connectionId, string reason);

    [LoggerMessage(
        14,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" communication error.",
        EventName = "ConnectionError", SkipEnabledCheck = true)]
    private static partial void Error(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(
        19,
        LogLevel.Debug,
        "Connection id \"{ConnectionId}\" reset.",
        EventName = "ConnectionReset", SkipEnabledCheck = true)]
    private static partial void Reset(ILogger logger, string connectionId);
}
