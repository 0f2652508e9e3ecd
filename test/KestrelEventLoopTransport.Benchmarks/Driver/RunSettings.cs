namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record RunSettings
{
    /// <summary>Names of workloads; empty: all.</summary>
    public required IReadOnlyList<string> Only { get; init; }

    /// <summary>Names of candidates; empty: all.</summary>
    public required IReadOnlyList<string> Candidates { get; init; }

    public required int Rounds { get; init; }

    public required double Seconds { get; init; }

    public required double WarmUpSeconds { get; init; }

    public required int IdleConnections { get; init; }

    public required int ServerCpu { get; init; }

    public required int LoadCpu { get; init; }

    public required string NativeDirectory { get; init; }

    public required string OutputDirectory { get; init; }

    /// <summary>The command that the report names as its origin.</summary>
    public required string Command { get; init; }
}
