using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>What is logged of options and of the registration.</summary>
internal static partial class OptionsLog
{
    [LoggerMessage(20, LogLevel.Error, "The options of the event-loop transport in the reloaded configuration are not valid. {EndPoint} is bound with the options that were valid before. {Problem}", EventName = "ReloadRefused")]
    internal static partial void ReloadRefused(ILogger logger, EndPoint endPoint, string problem);

    [LoggerMessage(21, LogLevel.Warning, "The event-loop transport is not used: {Factory} was registered after it, and takes every endpoint.", EventName = "TransportNotUsed")]
    internal static partial void TransportNotUsed(ILogger logger, string? factory);
}
