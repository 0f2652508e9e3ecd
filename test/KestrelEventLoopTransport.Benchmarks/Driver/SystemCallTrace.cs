using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Counts the system calls of a server, all its threads, by strace. Without strace there are none.
internal sealed class SystemCallTrace : IAsyncDisposable
{
    private readonly Process? _process;
    private readonly string _file;

    private SystemCallTrace(Process? process, string file)
    {
        _process = process;
        _file = file;
    }

    public static async Task<SystemCallTrace> StartAsync(
        int processId,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        var file = Path.Combine(settings.OutputDirectory, "strace.log");
        try
        {
            var process = Process.Start(new ProcessStartInfo(
                "strace",
                [
                    "-f", "-c", "-U", "name,calls", "-o", file,
                    "-p", processId.ToString(CultureInfo.InvariantCulture),
                ])
            {
                RedirectStandardError = true,
            })!;

            // "strace: Process 12 attached with 9 threads": from now on it counts.
            var line = await process.StandardError.ReadLineAsync(cancellationToken);
            _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            return line?.Contains(" attached", StringComparison.Ordinal) is true
                ? new SystemCallTrace(process, file)
                : throw new BenchmarkFailedException(line ?? "strace ended at once");
        }
        catch (Win32Exception)
        {
            Console.WriteLine("  strace is missing: no system calls");
            return new SystemCallTrace(null, file);
        }
    }

    // Ends the trace; returns the calls by name.
    public async Task<IReadOnlyDictionary<string, long>> StopAsync(CancellationToken cancellationToken)
    {
        if (_process is null)
        {
            return new Dictionary<string, long>();
        }

        using (var kill = Process.Start("kill", ["-INT", _process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(cancellationToken);
        }

        await _process.WaitForExitAsync(cancellationToken);

        // A table: a name and a count in each line, between two rules; the sum after the second.
        var lines = await File.ReadAllLinesAsync(_file, cancellationToken);
        return lines
            .SkipWhile(line => !line.StartsWith('-'))
            .Skip(1)
            .TakeWhile(line => !line.StartsWith('-'))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(words => words[0], words => long.Parse(words[1], CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
    }
}
