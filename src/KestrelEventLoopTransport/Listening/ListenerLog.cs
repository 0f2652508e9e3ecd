using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What is logged of listeners.</summary>
internal static partial class ListenerLog
{
    [LoggerMessage(
        1,
        LogLevel.Warning,
        "Accepting connections on {EndPoint} is paused because accepting has failed; existing connections are not"
            + " affected. The transport retries until it succeeds.",
        EventName = "AcceptPaused")]
    internal static partial void AcceptPaused(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(
        2,
        LogLevel.Debug,
        "Accepting connections on {EndPoint} has resumed.",
        EventName = "AcceptResumed")]
    internal static partial void AcceptResumed(ILogger logger, EndPoint endPoint);

    [LoggerMessage(
        3,
        LogLevel.Debug,
        "A connection to {EndPoint} was lost before it was accepted (errno {Errno}).",
        EventName = "AcceptFailed")]
    internal static partial void AcceptFailed(ILogger logger, EndPoint endPoint, int errno);

    [LoggerMessage(
        4,
        LogLevel.Warning,
        "The event-loop transport needs Linux, macOS or FreeBSD on x64 or arm64. Kestrel uses its socket transport"
            + " instead.",
        EventName = "NotSupported")]
    internal static partial void NotSupported(ILogger logger);

    [LoggerMessage(
        5,
        LogLevel.Debug,
        "A connection to {EndPoint} was closed because ConfigureAcceptedSocket threw an exception, or an option of the"
            + " accepted socket could not be set.",
        EventName = "ConfigureAcceptedSocketFailed")]
    internal static partial void ConfigureAcceptedSocketFailed(ILogger logger, EndPoint endPoint, Exception exception);

    [LoggerMessage(
        6,
        LogLevel.Warning,
        "Tcp.FastOpenQueue of {EndPoint} has no effect because net.ipv4.tcp_fastopen is {Bits}. Servers need bit 2 of"
            + " it.",
        EventName = "FastOpenIsOff")]
    internal static partial void FastOpenIsOff(ILogger logger, EndPoint endPoint, int bits);

    [LoggerMessage(
        8,
        LogLevel.Debug,
        "Accepting connections on {EndPoint} is paused because MaxConnections ({MaxConnections}) is reached.",
        EventName = "AcceptLimited")]
    internal static partial void AcceptLimited(ILogger logger, EndPoint endPoint, int maxConnections);

    [LoggerMessage(
        9,
        LogLevel.Debug,
        "A connection to {EndPoint} was refused because MaxConnections ({MaxConnections}) is reached.",
        EventName = "ConnectionRefused")]
    internal static partial void ConnectionRefused(ILogger logger, EndPoint endPoint, int maxConnections);

    [LoggerMessage(
        10,
        LogLevel.Warning,
        "The options of {EndPoint} have no effect because the server has not bound that endpoint.",
        EventName = "EndPointNotBound")]
    internal static partial void EndPointNotBound(ILogger logger, string endPoint);

    [LoggerMessage(
        11,
        LogLevel.Warning,
        "Accepting connections on {EndPoint} is paused because {Shortage} Existing connections are not affected."
            + " Accepting resumes as soon as one of them closes.",
        EventName = "AcceptShortage")]
    internal static partial void AcceptShortage(ILogger logger, EndPoint endPoint, string shortage);

    [LoggerMessage(
        12,
        LogLevel.Information,
        "Descriptor {Descriptor} is not a TCP or Unix stream socket. It is left to another transport.",
        EventName = "DescriptorLeft")]
    internal static partial void DescriptorLeft(ILogger logger, ulong descriptor);

    [LoggerMessage(
        13,
        LogLevel.Debug,
        "Listening on {EndPoint}: {Sockets} listening sockets (AcceptMode is {AcceptMode}), Backlog is {Backlog},"
            + " MaxConnections is {MaxConnections}, LoadBalancingPolicy is {LoadBalancingPolicy}, ProxyProtocol is"
            + " {ProxyProtocol}.",
        EventName = "Listening")]
    internal static partial void Listening(
        ILogger logger,
        EndPoint endPoint,
        int sockets,
        AcceptMode acceptMode,
        int backlog,
        int? maxConnections,
        LoadBalancingPolicy loadBalancingPolicy,
        string proxyProtocol);
}
