using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>What is logged of PROXY headers.</summary>
internal static partial class ProxyProtocolLog
{
    [LoggerMessage(
        30,
        LogLevel.Debug,
        "A connection from {RemoteEndPoint} to {EndPoint} was closed because it had no valid PROXY header ({Reason})."
            + " {Problem}",
        EventName = "ProxyHeaderFailed",
        SkipEnabledCheck = true)]
    internal static partial void HeaderFailed(
        ILogger logger, EndPoint remoteEndPoint, EndPoint endPoint, ProxyProtocolFailure reason, string problem);
}
