namespace KestrelEventLoopTransport.Status;

/// <summary>All that the page shows.</summary>
/// <param name="Time">The server's time.</param>
/// <param name="Started">
/// When the application was built. Another time is another start of it, which the process's number does not tell: in
/// containers it is often the same.
/// </param>
/// <param name="ProcessId">The number of the process.</param>
/// <param name="Poller">How the loops wait for events.</param>
/// <param name="AllowAbort">Whether connections may be aborted.</param>
/// <param name="BlockedHandOffs">Hand-offs because a handler was blocked.</param>
/// <param name="ComputingHandOffs">Hand-offs because a handler was computing.</param>
/// <param name="StandbyThreads">Threads that wait for a loop.</param>
/// <param name="StuckThreads">Threads whose handlers have lost their loops.</param>
/// <param name="Loops">The loops.</param>
/// <param name="Listeners">The listeners.</param>
/// <param name="Datagrams">The datagram endpoints.</param>
/// <param name="Handlers">Handlers that keep a thread, the one that has run for longest first.</param>
/// <param name="Connections">The connections that were asked for.</param>
/// <param name="History">The samples that the client does not have.</param>
internal sealed record StatusReport(
    DateTimeOffset Time,
    DateTimeOffset Started,
    int ProcessId,
    string Poller,
    bool AllowAbort,
    long BlockedHandOffs,
    long ComputingHandOffs,
    int StandbyThreads,
    int StuckThreads,
    LoopReport[] Loops,
    ListenerReport[] Listeners,
    DatagramReport[] Datagrams,
    HandlerReport[] Handlers,
    ConnectionsReport Connections,
    StatusSample[] History);
