namespace KestrelEventLoopTransport.Status;

/// <summary>A connection, as the page shows it. Text in it may come from the peer.</summary>
/// <param name="Id">The connection's id.</param>
/// <param name="Loop">The number of its loop.</param>
/// <param name="Remote">The peer's address.</param>
/// <param name="Local">Our address.</param>
/// <param name="State">What it waits for.</param>
/// <param name="AgeSeconds">Time since it was made.</param>
/// <param name="IdleSeconds">Time since it has received or sent anything.</param>
/// <param name="ReceivedBytes">Bytes received.</param>
/// <param name="SentBytes">Bytes sent.</param>
/// <param name="UnreadBytes">Bytes that the application has not looked at.</param>
/// <param name="UnsentBytes">Bytes that the kernel has not taken.</param>
/// <param name="RttMilliseconds">Round-trip time; null when it is not known.</param>
/// <param name="Retransmits">Segments that were sent again; null when it is not known.</param>
internal sealed record ConnectionReport(
    string Id,
    int Loop,
    string Remote,
    string Local,
    string State,
    double AgeSeconds,
    double IdleSeconds,
    long ReceivedBytes,
    long SentBytes,
    long UnreadBytes,
    long UnsentBytes,
    double? RttMilliseconds,
    long? Retransmits);
