using Orleans.Hosting;

namespace KestrelEventLoopTransport.Orleans.Tests.Infrastructure;

/// <summary>
/// What a test changes. <see langword="null"/> in the place of a scheduling stands for Orleans' own sockets.
/// </summary>
internal sealed record ClusterSettings
{
    /// <summary>One silo for each; the first is the primary.</summary>
    public required ApplicationScheduling?[] Silos { get; init; }

    /// <summary>What the client is on.</summary>
    public required ApplicationScheduling? Client { get; init; }

    public Action<ISiloBuilder>? Silo { get; init; }

    public Action<IClientBuilder>? ClientBuilder { get; init; }

    /// <summary>As many silos, all on event loops, as the client.</summary>
    public static ClusterSettings All(ApplicationScheduling? scheduling, int silos) => new()
    {
        Silos = [.. Enumerable.Repeat(scheduling, silos)],
        Client = scheduling,
    };
}
