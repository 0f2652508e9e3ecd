using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>Log messages about datagram endpoints.</summary>
internal static partial class DatagramLog
{
    [LoggerMessage(1, LogLevel.Error,
        "The code that receives from the datagram endpoint {EndPoint} failed. Nothing receives from it any more.",
        EventName = "DatagramReceiverFailed")]
    internal static partial void ReceiverFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(3, LogLevel.Error,
        "The callback of a datagram endpoint failed. The endpoint goes on with the next datagram.",
        EventName = "DatagramCallbackFailed")]
    internal static partial void CallbackFailed(ILogger logger, Exception exception);

    [LoggerMessage(2, LogLevel.Warning,
        "The options of {Section} have no effect because no datagram endpoint has its URL.",
        EventName = "DatagramEndpointNotBound")]
    internal static partial void EndpointNotBound(ILogger logger, string section);
}
