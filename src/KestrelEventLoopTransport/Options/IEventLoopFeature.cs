namespace KestrelEventLoopTransport;

/// <summary>
/// The event loop of a connection, as a feature of each connection of this transport. All members may be used from any
/// thread, and after the connection has ended.
/// </summary>
/// <remarks>
/// <para>
/// What is posted, and what timers call, is application code: it runs where <see
/// cref="EventLoopTransportOptions.Scheduling"/> lets the connection's handlers run. That is the loop's thread with
/// <see cref="ApplicationScheduling.Inline"/>, and with <see cref="ApplicationScheduling.Adaptive"/> while the loop
/// could go to another thread if the code does not return. Otherwise it is the thread pool. Code that needs to know
/// asks <see cref="IsCurrent"/>. Several calls may run at the same time and in any order. What they throw is logged as
/// an error and ends nothing. The caller's execution context does not flow.
/// </para>
/// <para>
/// <see cref="Time"/> is a feature of its own as well, of the type <see cref="TimeProvider"/>. So a library can have
/// its timers on the loop without a reference to this package.
/// </para>
/// </remarks>
public interface IEventLoopFeature
{
    /// <summary>
    /// The number of the loop, from 0: the place of its figures in
    /// <see cref="EventLoopTransportMonitor.GetLoopStatistics"/>.
    /// </summary>
    int Index { get; }

    /// <summary>
    /// Whether the calling thread runs the loop. Inside a callback that does not return, the answer may change at any
    /// time from true to false.
    /// </summary>
    bool IsCurrent { get; }

    /// <summary>
    /// The loop's time, with timers that call on the loop. A timer costs no thread and no system call of its own. It is
    /// never early. It is late by a few milliseconds at most, unless the loop is busy. A call that is due while the
    /// last one has not begun is skipped. After a timer was disposed no call begins; its
    /// <see cref="IAsyncDisposable.DisposeAsync"/> completes when a running one has returned. When the loop has ended,
    /// which is after its last connection, timers call on the thread pool.
    /// </summary>
    TimeProvider Time { get; }

    /// <summary>Runs work soon, as a callback of the loop.</summary>
    /// <param name="work">The work. It may be posted again before it has run, and then runs once more.</param>
    /// <exception cref="ArgumentNullException"><paramref name="work"/> is null.</exception>
    void Post(IThreadPoolWorkItem work);
}
