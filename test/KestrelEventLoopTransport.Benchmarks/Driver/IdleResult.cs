namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <summary>What 10,000 idle connections cost their server; bytes per connection above the server without them.</summary>
internal sealed record IdleResult(Candidate Candidate)
{
    public IdleMemory Fresh { get; init; }

    public IdleMemory AfterRequest { get; init; }

    public string? Failure { get; init; }
}
