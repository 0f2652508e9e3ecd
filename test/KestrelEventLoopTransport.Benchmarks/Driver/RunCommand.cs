using System.CommandLine;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class RunCommand
{
    public static Command Create()
    {
        var quick = new Option<bool>("--quick")
        {
            Description = "Few and short rounds, before the JIT is done: whether all works, in about five minutes.",
        };
        var only =
            new Option<string?>("--only") { Description = $"Rows, separated by commas: {RowNames}." };
        var candidates = new Option<string?>("--candidates") { Description = "Candidates, separated by commas." };
        var peers = new Option<string[]>("--peer")
        {
            Description =
                "A further candidate, NAME=COMMAND, whose command prints \"READY http=PORT ...\" and ends with "
                    + "\"exec PROGRAM\": see CONTRIBUTING.md. May be repeated.",
        };
        peers.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => Peer.Parse(token.Value) is null))
            {
                result.AddError("--peer: expected NAME=COMMAND.");
            }
        });
        var rounds = new Option<int?>("--rounds") { Description = "Rounds per row (5; quick: 2)." };
        var seconds = new Option<double?>("--seconds")
        {
            Description = "Length of a measured window (1.5; quick: 0.2).",
        };
        var warmUp = new Option<double?>("--warm-up")
        {
            Description = "Load before the first window of a row (3; quick: 0.3).",
        };
        var latency = new Option<bool>("--latency")
        {
            Description =
                "Then measures latencies with all candidates at the same rate, 60 % of the stock default's throughput.",
        };
        var idle =
            new Option<int?>("--idle-connections") { Description = "Number of idle connections (10000; quick: 2000)." };
        var serverCpu = new Option<int>("--server-cpu") { Description = "Processor of the servers." };
        var loadCpu = new Option<int>("--load-cpu")
        {
            Description = "Processor of the load generators.",
            DefaultValueFactory = _ => 1,
        };
        var native = new Option<string>("--native")
        {
            Description = "Directory of the compiled C programs.",
            DefaultValueFactory = _ => Path.Combine("artifacts", "native"),
        };
        var output = new Option<string>("--output")
        {
            Description = "Directory of the results.",
            DefaultValueFactory = _ => Path.Combine("artifacts", "bench"),
        };
        var title =
            new Option<string?>("--command") { Description = "The command that the report names as its origin." };

        var command = new Command("run", "Measures all candidates in all rows.")
        {
            quick, only, candidates, peers, rounds, seconds, warmUp, latency, idle, serverCpu, loadCpu, native, output,
            title,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var isQuick = arguments.GetValue(quick);
            var settings = new RunSettings
            {
                Only = Split(arguments.GetValue(only)),
                Candidates = Split(arguments.GetValue(candidates)),
                Peers = [.. (arguments.GetValue(peers) ?? []).Select(peer => Peer.Parse(peer)!)],
                Rounds = arguments.GetValue(rounds) ?? (isQuick ? 2 : 5),
                Seconds = arguments.GetValue(seconds) ?? (isQuick ? 0.2 : 1.5),
                WarmUpSeconds = arguments.GetValue(warmUp) ?? (isQuick ? 0.3 : 3),
                Latency = arguments.GetValue(latency),
                IdleConnections = arguments.GetValue(idle) ?? (isQuick ? 2_000 : 10_000),
                ServerCpu = arguments.GetValue(serverCpu),
                LoadCpu = arguments.GetValue(loadCpu),
                NativeDirectory = Path.GetFullPath(arguments.GetValue(native)!),
                OutputDirectory = Path.GetFullPath(arguments.GetValue(output)!),
                Command = arguments.GetValue(title) ?? string.Join(' ', Environment.GetCommandLineArgs().Skip(1)),
            };
            try
            {
                return await BenchmarkRun.RunAsync(settings, cancellationToken);
            }
            catch (BenchmarkFailedException e)
            {
                Console.Error.WriteLine(e.Message);
                return 1;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                Console.Error.WriteLine("Interrupted.");
                return 130;
            }
        });
        return command;
    }

    private static string RowNames => string.Join(", ", Rows.All.Select(row => row.Name));

    private static string[] Split(string? list)
        => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}
