using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport;

/// <summary>What is logged of the registration.</summary>
internal static partial class OptionsLog
{
    [LoggerMessage(20, LogLevel.Warning, "The event-loop transport is not used: {Factory} was registered after it, and takes every endpoint.", EventName = "TransportNotUsed")]
    internal static partial void TransportNotUsed(ILogger logger, string? factory);
}
