namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Measures the candidates in turn, round by round, so that a change of the machine's speed meets all of them.
internal sealed class Rounds<TWindow>(IEnumerable<Candidate> candidates)
{
    public IReadOnlyList<CandidateResult<TWindow>> Results { get; } =
        [.. candidates.Select(candidate => new CandidateResult<TWindow>(candidate))];

    // The stock default; null when it was not measured or failed.
    public CandidateResult<TWindow>? Baseline => Results.FirstOrDefault(
        result => result.Candidate.Name == Candidate.Baseline && result is { Failure: null, Windows.Count: > 0 });

    // Null without the stock default.
    public double? Ratio(CandidateResult<TWindow> result, Func<TWindow, double> value)
        => Baseline is { } baseline && result.Failure is null ? result.MedianRatio(baseline, value) : null;

    public async Task RunAsync(int rounds, Func<CandidateResult<TWindow>, Task<TWindow>> measure)
    {
        for (var round = 0; round < rounds; round++)
        {
            // Each round begins with another candidate: none always runs after the same neighbour.
            for (var i = 0; i < Results.Count; i++)
            {
                var result = Results[(i + round) % Results.Count];
                await result.GuardAsync(async () => result.Windows.Add(await measure(result)));
            }
        }
    }
}
