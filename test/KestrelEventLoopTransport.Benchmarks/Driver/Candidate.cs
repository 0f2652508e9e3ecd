using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// A server to measure: how it is started and what it is called in the tables.
// OnlyWorkload: The one workload that it takes part in, unless it is named in --candidates.
// IsPeer: Any command that serves ports, see --peer. It takes part where it serves what the workload asks for.
internal sealed record Candidate(
    string Name,
    IReadOnlyList<string> CommandLine,
    bool InlineCompletions = false,
    string? OnlyWorkload = null,
    bool IsPeer = false)
{
    public const string Baseline = TransportNames.Sockets;
    public const string Floor = "floor";

    // What the README calls it.
    public string Title => Name switch
    {
        TransportNames.Sockets => "stock",
        TransportNames.SocketsInline => "stock inline",
        Floor => "C epoll",
        _ => $"`{Name}`",
    };

    public bool IsStock => Name is TransportNames.Sockets or TransportNames.SocketsInline;

    public bool IsFloor => Name == Floor;

    public static IReadOnlyList<Candidate> All(RunSettings settings)
    {
        string[] server = [Environment.ProcessPath!, "server", "--exit-with-stdin", "--transport"];
        return
        [
            new Candidate(Baseline, [.. server, TransportNames.Sockets]),
            new Candidate(
                TransportNames.SocketsInline, [.. server, TransportNames.SocketsInline], InlineCompletions: true),
            .. Enum.GetNames<ApplicationScheduling>().Select(scheduling =>
                new Candidate(scheduling, [.. server, TransportNames.EventLoop, "--scheduling", scheduling])),
            // Two loops, though they share a processor: with one loop both modes are the same.
            .. Enum.GetNames<AcceptMode>().Select(mode =>
                new Candidate(mode, [.. server, TransportNames.EventLoop, "--accept-mode", mode, "--loops", "2"])
                {
                    OnlyWorkload = Workloads.Close,
                }),
            new Candidate(Floor, [Path.Combine(settings.NativeDirectory, "floor")]),
            .. settings.Peers.Select(peer => new Candidate(peer.Name, ["sh", "-c", peer.Command], IsPeer: true)),
        ];
    }
}
