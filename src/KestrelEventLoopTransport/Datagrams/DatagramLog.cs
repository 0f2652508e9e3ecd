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
}
