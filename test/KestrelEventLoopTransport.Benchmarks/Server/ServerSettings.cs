namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed record ServerSettings(
    string Transport,
    ApplicationScheduling? Scheduling,
    int? Loops,
    AcceptMode? AcceptMode,
    int FirstPort,
    ServerPorts? Upstream,
    bool Silo,
    bool ExitWithStdin);
