using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>The log messages of event loops.</summary>
internal static partial class LoopLog
{
    [LoggerMessage(
        1, LogLevel.Critical,
        "An event loop failed and has ended. The process cannot serve the connections of this loop any more.",
        EventName = "LoopFailed")]
    internal static partial void LoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(
        2, LogLevel.Error,
        "A callback threw an exception. Its event loop and the other connections are not affected.",
        EventName = "CallbackFailed")]
    internal static partial void CallbackFailed(ILogger logger, Exception exception);

    [LoggerMessage(
        3, LogLevel.Information,
        "Handlers block often: {Count} times in the last {Seconds} seconds a handler did not return, and its event "
        + "loop was handed to another thread; most recently for {Target}. Other connections are served, but each such "
        + "handler holds a thread until it returns.",
        EventName = "HandlersBlock")]
    internal static partial void HandlersBlock(ILogger logger, long count, long seconds, string target);

    [LoggerMessage(
        4, LogLevel.Error,
        "The supervisor of the event loops caught an exception and continues.",
        EventName = "SupervisorFailed")]
    internal static partial void SupervisorFailed(ILogger logger, Exception exception);

    [LoggerMessage(
        5, LogLevel.Debug,
        "{Count} event loops have started, on {Poller}. Scheduling is {Scheduling}, Adaptive.HandOffThreshold is "
        + "{HandOffThreshold}, Adaptive.MaxStandbyThreads is {MaxStandbyThreads}.",
        EventName = "LoopsStarted")]
    internal static partial void LoopsStarted(
        ILogger logger,
        int count,
        string poller,
        ApplicationScheduling scheduling,
        TimeSpan handOffThreshold,
        int maxStandbyThreads);
}
