namespace KestrelEventLoopTransport.Status;

/// <summary>A loop, as the page shows it.</summary>
/// <param name="Number">The loop's number, from 0.</param>
/// <param name="Busy">Share of the last second that it was busy, from 0 to 1; null when it is not known yet.</param>
/// <param name="Turns">Turns since it started.</param>
/// <param name="Events">Events since it started.</param>
/// <param name="Connections">Open connections.</param>
/// <param name="TotalConnections">Connections since it started.</param>
/// <param name="HandOffs">Times it went on with another thread since it started.</param>
/// <param name="Handler">The callback that keeps its thread now; null when there is none.</param>
internal sealed record LoopReport(
    int Number,
    double? Busy,
    long Turns,
    long Events,
    int Connections,
    long TotalConnections,
    long HandOffs,
    HandlerReport? Handler);
