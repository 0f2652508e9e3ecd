using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <summary>
/// Measures what the start of a published app costs: its size, the time to the first response, and the processor time
/// until then and of the next 1,000 requests, one after the other on one connection. Prints medians.
/// </summary>
internal static class FirstRequestsCommand
{
    private const int Requests = 1000;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    public static Command Create()
    {
        var programs = new Argument<string[]>("programs")
        {
            Description = "Programs that serve /plaintext on the address --urls, each in a directory of its own.",
        };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = static _ => 5 };
        var command = new Command("first", "Measures the first requests of published apps.") { programs, rounds };
        command.SetAction(result => Run(result.GetValue(programs)!, result.GetValue(rounds)));
        return command;
    }

    private static void Run(string[] programs, int rounds)
    {
        var measured = programs.ToDictionary(static program => program, static _ => new List<Start>());
        for (var round = 0; round < rounds; round++)
        {
            foreach (var program in programs)
            {
                measured[program].Add(Measure(program));
            }
        }

        Console.WriteLine($"| app | MB | first response, ms | CPU until then, ms | CPU of the next {Requests}, ms |");
        Console.WriteLine("|---|--:|--:|--:|--:|");
        foreach (var (program, starts) in measured)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {Path.GetFileName(Path.GetDirectoryName(program))} | {Megabytes(program):F1} "
                    + $"| {Median(starts, static start => start.FirstResponse):F0} "
                    + $"| {Median(starts, static start => start.Cpu):F0} "
                    + $"| {Median(starts, static start => start.RequestsCpu):F0} |"));
        }
    }

    private static Start Measure(string program)
    {
        var port = FreePort();
        var start = new ProcessStartInfo("taskset", ["-c", "0", program, "--urls", $"http://127.0.0.1:{port}"]);
        start.Environment["Logging__LogLevel__Default"] = "None";
        var begin = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        try
        {
            using var connection = Connect(port, begin, process);
            connection.Request();
            var firstResponse = Stopwatch.GetElapsedTime(begin);
            var cpu = CpuClock.Read(process.Id);
            for (var i = 0; i < Requests; i++)
            {
                connection.Request();
            }

            return new Start(firstResponse, cpu, CpuClock.Read(process.Id) - cpu);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    private static IdleConnections Connect(int port, long begin, Process process)
    {
        while (true)
        {
            try
            {
                return new IdleConnections(port, 1);
            }
            catch (BenchmarkFailedException) when (!process.HasExited && Stopwatch.GetElapsedTime(begin) < _patience)
            {
                Thread.Sleep(1);
            }
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    // Without what is for a debugger only.
    private static double Megabytes(string program)
        => new DirectoryInfo(Path.GetDirectoryName(program)!).EnumerateFiles("*", SearchOption.AllDirectories)
            .Where(static file => file.Extension is not (".pdb" or ".dbg" or ".xml"))
            .Sum(static file => file.Length) / 1e6;

    private static double Median(List<Start> starts, Func<Start, TimeSpan> time)
        => starts.Select(start => time(start).TotalMilliseconds).Median();

    private sealed record Start(TimeSpan FirstResponse, TimeSpan Cpu, TimeSpan RequestsCpu);
}
