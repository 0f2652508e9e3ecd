using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What is logged of a listener.</summary>
internal static partial class ListenerLog
{
    [LoggerMessage(1, LogLevel.Warning, "Accepting on {EndPoint} fails and pauses. Open connections are served; accepting is tried again until it succeeds.", EventName = "AcceptPaused")]
    internal static partial void AcceptPaused(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(11, LogLevel.Warning, "Accepting on {EndPoint} pauses: {Shortage} Open connections are served; accepting goes on as soon as one of them closes.", EventName = "AcceptShortage")]
    internal static partial void AcceptShortage(ILogger logger, EndPoint endPoint, string shortage);

    [LoggerMessage(12, LogLevel.Information, "Descriptor {Descriptor} is no TCP or Unix stream socket; it is left to another transport.", EventName = "DescriptorLeft")]
    internal static partial void DescriptorLeft(ILogger logger, ulong descriptor);

    [LoggerMessage(2, LogLevel.Debug, "Accepting on {EndPoint} goes on.", EventName = "AcceptResumed")]
    internal static partial void AcceptResumed(ILogger logger, EndPoint endPoint);

    [LoggerMessage(3, LogLevel.Debug, "A connection to {EndPoint} was lost before it was accepted (errno {Errno}).", EventName = "AcceptFailed")]
    internal static partial void AcceptFailed(ILogger logger, EndPoint endPoint, int errno);

    [LoggerMessage(4, LogLevel.Warning, "The event-loop transport needs Linux, macOS or FreeBSD on x64 or arm64. Kestrel uses its socket transport.", EventName = "NotSupported")]
    internal static partial void NotSupported(ILogger logger);

    [LoggerMessage(5, LogLevel.Debug, "A connection to {EndPoint} was closed because ConfigureAcceptedSocket or an option of it failed.", EventName = "ConfigureAcceptedSocketFailed")]
    internal static partial void ConfigureAcceptedSocketFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(6, LogLevel.Warning, "Tcp.FastOpenQueue of {EndPoint} has no effect: net.ipv4.tcp_fastopen is {Bits}, and servers need bit 2 of it.", EventName = "FastOpenIsOff")]
    internal static partial void FastOpenIsOff(ILogger logger, EndPoint endPoint, int bits);

    [LoggerMessage(8, LogLevel.Debug, "{EndPoint} has {MaxConnections} connections, the most that are allowed: accepting pauses.", EventName = "AcceptLimited")]
    internal static partial void AcceptLimited(ILogger logger, EndPoint endPoint, int maxConnections);

    [LoggerMessage(9, LogLevel.Debug, "A connection to {EndPoint} was refused: {MaxConnections}, the most that are allowed, are open.", EventName = "ConnectionRefused")]
    internal static partial void ConnectionRefused(ILogger logger, EndPoint endPoint, int maxConnections);

    [LoggerMessage(10, LogLevel.Warning, "The options of {EndPoint} have no effect: the server has bound to no such endpoint.", EventName = "EndPointNotBound")]
    internal static partial void EndPointNotBound(ILogger logger, string endPoint);
}
