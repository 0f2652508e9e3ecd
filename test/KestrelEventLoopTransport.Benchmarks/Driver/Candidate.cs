using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// A server to measure: how it is started and what it is called in the tables.
internal sealed record Candidate(string Name, IReadOnlyList<string> CommandLine, bool InlineCompletions = false)
{
    public const string Baseline = TransportNames.Sockets;
    public const string Floor = "floor";

    public bool IsStock => Name is TransportNames.Sockets or TransportNames.SocketsInline;

    public bool IsFloor => Name == Floor;

    public static IReadOnlyList<Candidate> All(RunSettings settings)
    {
        string[] server = [Environment.ProcessPath!, "server", "--exit-with-stdin", "--transport"];
        return
        [
            new Candidate(Baseline, [.. server, TransportNames.Sockets]),
            new Candidate(TransportNames.SocketsInline, [.. server, TransportNames.SocketsInline], InlineCompletions: true),
            .. Enum.GetNames<ApplicationScheduling>().Select(scheduling =>
                new Candidate(scheduling, [.. server, TransportNames.EventLoop, "--scheduling", scheduling])),
            // Two loops, though they share a processor: with one loop both modes are the same.
            .. Enum.GetNames<AcceptMode>().Select(mode =>
                new Candidate(mode, [.. server, TransportNames.EventLoop, "--accept-mode", mode, "--loops", "2"])),
            new Candidate(Floor, [Path.Combine(settings.NativeDirectory, "floor")]),
        ];
    }
}
