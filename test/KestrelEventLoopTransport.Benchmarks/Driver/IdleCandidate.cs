namespace KestrelEventLoopTransport.Benchmarks.Driver;

// What 10,000 idle connections cost their server; bytes per connection above the server without them.
internal sealed record IdleCandidate(Candidate Candidate)
{
    // Connections of the raw echo port: the transport alone, without HTTP above it.
    public IdleMemory Raw { get; init; }

    public IdleMemory Fresh { get; init; }

    public IdleMemory AfterRequest { get; init; }

    public string? Failure { get; init; }
}
