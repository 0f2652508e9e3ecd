namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Something that is measured of all candidates: what --only selects.
internal interface IRow
{
    string Name { get; }

    bool TakesPart(Candidate candidate);

    // candidates: Those that take part and are not left out by --candidates.
    Task<IRowResult> RunAsync(
        IReadOnlyList<Candidate> candidates,
        RunningServers servers,
        RunSettings settings,
        CancellationToken cancellationToken);
}
