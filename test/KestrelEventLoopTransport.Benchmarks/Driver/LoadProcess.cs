using System.Diagnostics;
using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Loads;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Runs a load generator on its processor for one window.
internal static class LoadProcess
{
    public static async Task<LoadResult> RunAsync(
        ILoad load,
        ServerPorts ports,
        double seconds,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        var commandLine = load.CommandLine(ports, seconds, settings);
        using var process = Process.Start(new ProcessStartInfo(
            "taskset",
            ["-c", settings.LoadCpu.ToString(CultureInfo.InvariantCulture), .. commandLine])
        {
            RedirectStandardOutput = true,
        })!;

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(seconds + 30));
        string output;
        try
        {
            output = await process.StandardOutput.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            throw new BenchmarkFailedException($"the load generator did not end: {string.Join(' ', commandLine)}");
        }

        if (process.ExitCode != 0)
        {
            throw new BenchmarkFailedException(
                $"the load generator failed with exit code {process.ExitCode}: "
                    + $"{string.Join(' ', commandLine)}\n{output}");
        }

        var result = load.Read(output, settings);
        return result.Errors == 0
            ? result
            : throw new BenchmarkFailedException($"{result.Errors} errors in {result.Operations} operations");
    }
}
