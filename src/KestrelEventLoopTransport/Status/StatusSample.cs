namespace KestrelEventLoopTransport.Status;

/// <summary>What happened in one second.</summary>
/// <param name="Number">Counts the samples, from 1.</param>
/// <param name="Busy">Of each loop, the share of the time that it was busy, from 0 to 1.</param>
/// <param name="Connections">Open connections at the end.</param>
/// <param name="Events">Events per second.</param>
/// <param name="Accepted">Accepted connections per second.</param>
internal sealed record StatusSample(long Number, double[] Busy, int Connections, double Events, double Accepted);
