using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>Log messages about options and the registration.</summary>
internal static partial class OptionsLog
{
    [LoggerMessage(
        20,
        LogLevel.Error,
        "The reloaded options of the event-loop transport are not valid. {EndPoint} is bound with the last valid "
            + "options. {Problem}",
        EventName = "ReloadRefused")]
    internal static partial void ReloadRefused(ILogger logger, EndPoint endPoint, string problem);

    [LoggerMessage(
        21,
        LogLevel.Warning,
        "The event-loop transport is not used, because {Factory} was registered after it and takes every endpoint.",
        EventName = "TransportNotUsed")]
    internal static partial void TransportNotUsed(ILogger logger, string? factory);
}
