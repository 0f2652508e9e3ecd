using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// A server to measure: how it is started and what it is called in the tables.
// OnlyWorkloads: Those that it takes part in, unless it is named in --candidates; null: all.
// IsPeer: Any command that serves ports, see --peer. It takes part where it serves what the workload asks for.
internal sealed record Candidate(
    string Name,
    IReadOnlyList<string> CommandLine,
    bool InlineCompletions = false,
    IReadOnlyList<string>? OnlyWorkloads = null,
    bool IsPeer = false,
    bool HasSilo = false)
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

    // Not a candidate: it is the same one for all of them.
    public static Candidate Upstream { get; } = new("upstream", [.. Server, TransportNames.EventLoop]);

    private static string[] Server => [Environment.ProcessPath!, "server", "--exit-with-stdin", "--transport"];

    public static IReadOnlyList<Candidate> All(RunSettings settings)
    {
        var server = Server;
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
                    OnlyWorkloads = [Workloads.Close],
                }),
            Proxy("haproxy"),
            Proxy("nginx"),
            new Candidate(Floor, [Path.Combine(settings.NativeDirectory, "floor")]),
            .. settings.Peers.Select(peer =>
                new Candidate(peer.Name, ["sh", "-c", peer.Command, peer.Name], IsPeer: true)),
        ];
    }

    // Another program in the place of the proxy.
    private static Candidate Proxy(string name) => new(
        name,
        ["sh", Path.Combine(AppContext.BaseDirectory, "Server", $"{name}.sh"), $"{FreePort()}"],
        OnlyWorkloads: [Workloads.Proxy, Workloads.LargeProxy],
        IsPeer: true);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    // Whether it is a proxy or a client too. A command of the user is one if it passes on what it is given.
    public bool TakesUpstream => !IsFloor
        && (!IsPeer || OnlyWorkloads is not null || CommandLine[2].Contains("\"$@\"", StringComparison.Ordinal));

    // Orleans' own sockets have no inline completions.
    public bool TakesSilo => !IsFloor && !IsPeer && !InlineCompletions;

    public Candidate WithSilo() => this with { CommandLine = [.. CommandLine, "--silo"], HasSilo = true };

    // The same, told which server is behind it. The C server serves no more than it does without.
    public Candidate Before(ServerPorts upstream)
        => IsFloor ? this : this with { CommandLine = [.. CommandLine, "--upstream", upstream.ToString()] };
}
