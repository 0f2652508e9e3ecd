namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record RunSettings
{
    // Names of workloads; empty: all.
    public required IReadOnlyList<string> Only { get; init; }

    // Names of candidates; empty: all.
    public required IReadOnlyList<string> Candidates { get; init; }

    public required IReadOnlyList<Peer> Peers { get; init; }

    public required int Rounds { get; init; }

    public required double Seconds { get; init; }

    public required double WarmUpSeconds { get; init; }

    // Whether latencies at an equal rate are measured after the rounds at saturation.
    public required bool Latency { get; init; }

    public required int IdleConnections { get; init; }

    public required int ServerCpu { get; init; }

    public required int LoadCpu { get; init; }

    public required string NativeDirectory { get; init; }

    public required string OutputDirectory { get; init; }

    // The command that the report names as its origin.
    public required string Command { get; init; }
}
