namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed record ServerSettings(
    string Transport,
    ApplicationScheduling? Scheduling,
    int? Loops,
    int FirstPort,
    bool ExitWithStdin);
