using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>An outage is logged once, and so is its end: a server that is gone must not fill the log.</summary>
internal static partial class ClientLog
{
    [LoggerMessage(
        4,
        LogLevel.Warning,
        "Connecting to {EndPoint} failed. The client goes on trying. Further failures are logged at Debug.",
        EventName = "ConnectFailed")]
    internal static partial void ConnectFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(5, LogLevel.Debug, "Connecting to {EndPoint} failed again.", EventName = "ConnectFailedAgain")]
    internal static partial void ConnectFailedAgain(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(
        6,
        LogLevel.Information,
        "Connected to {EndPoint} after failed attempts. Connection id \"{ConnectionId}\".",
        EventName = "Recovered")]
    internal static partial void Recovered(ILogger logger, EndPoint endPoint, string connectionId);

    [LoggerMessage(
        7, LogLevel.Debug, "Connected to {EndPoint}. Connection id \"{ConnectionId}\".", EventName = "Connected")]
    internal static partial void Connected(ILogger logger, EndPoint endPoint, string connectionId);

    [LoggerMessage(
        8,
        LogLevel.Error,
        "{Callback} of the client for {EndPoint} threw an exception. The client goes on.",
        EventName = "ClientCallbackFailed")]
    internal static partial void CallbackFailed(
        ILogger logger, EndPoint endPoint, string callback, Exception exception);

    [LoggerMessage(
        9,
        LogLevel.Error,
        "Connection id \"{ConnectionId}\" to {EndPoint} has ended, because handling it failed. The client goes on.",
        EventName = "HandlingFailed")]
    internal static partial void HandlingFailed(
        ILogger logger, string connectionId, EndPoint endPoint, Exception exception);
}
