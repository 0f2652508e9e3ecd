namespace KestrelEventLoopTransport;

/// <summary>
/// Options of <see cref="ApplicationScheduling.Adaptive"/>: when a loop goes to another thread (a hand-off), and how
/// many threads there may be for that.
/// </summary>
/// <seealso cref="EventLoopTransportOptions.Adaptive"/>
public sealed class AdaptiveSchedulingOptions
{
    /// <summary>
    /// How long a handler may keep its loop's thread before a supervisor intervenes. From 100 microseconds to 1 second.
    /// Default: 1 millisecond.
    /// </summary>
    /// <remarks>
    /// The supervisor intervenes after one to two times this period:
    /// <list type="bullet">
    /// <item>If the handler has blocked the thread, another thread takes over the loop.</item>
    /// <item>
    /// If the handler is computing, it keeps the loop about ten times longer, unless a processor is free.
    /// </item>
    /// <item>
    /// Output that the handler has flushed is sent. This applies to <see cref="ApplicationScheduling.Inline"/> too.
    /// </item>
    /// </list>
    /// While handlers block often, the supervisor shortens the period, down to a sixteenth but not below 50
    /// microseconds.
    /// </remarks>
    public TimeSpan HandOffThreshold { get; set; } = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// The maximum number of threads beside those that run loops. Each blocked handler keeps one of them until it
    /// returns. From <see cref="EventLoopTransportOptions.EventLoopCount"/> to 32767. Default: <see langword="null"/>,
    /// which means 128, or <see cref="EventLoopTransportOptions.EventLoopCount"/> if that is more.
    /// </summary>
    /// <remarks>
    /// When fewer than <see cref="EventLoopTransportOptions.EventLoopCount"/> standby threads remain, callbacks run on
    /// the .NET thread pool. As soon as standby threads are free again, callbacks that are still queued there return to
    /// the loops. One standby thread is always kept ready; the others end after 20 seconds without use.
    /// </remarks>
    public int? MaxStandbyThreads { get; set; }

    /// <summary>
    /// After how long without use a standby thread ends. Internal, because only tests need another value.
    /// </summary>
    internal TimeSpan StandbyIdleTime { get; set; } = TimeSpan.FromSeconds(20);
}
