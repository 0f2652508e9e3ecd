namespace KestrelEventLoopTransport.Status;

/// <summary>Application code that keeps a thread for longer than it should.</summary>
/// <param name="Target">What it was called for.</param>
/// <param name="Loop">The number of the connection's loop; null when it was not called for a connection.</param>
/// <param name="Seconds">How long it has run.</param>
/// <param name="HasLostLoop">Whether its loop goes on with another thread.</param>
internal sealed record HandlerReport(string Target, int? Loop, double Seconds, bool HasLostLoop);
