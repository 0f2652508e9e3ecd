using System.Diagnostics;
using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// A candidate, running on its processor. Its standard input is its life line: see --exit-with-stdin.
internal sealed class ServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;

    private readonly bool _isPeer;

    private ServerProcess(Process process, ServerPorts ports, bool isPeer)
    {
        _process = process;
        _isPeer = isPeer;
        Ports = ports;
    }

    public ServerPorts Ports { get; }

    public int Id => _process.Id;

    public static async Task<ServerProcess> StartAsync(
        Candidate candidate,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        // taskset replaces itself by the server, so the process id is the server's.
        var start = new ProcessStartInfo(
            "taskset",
            ["-c", settings.ServerCpu.ToString(CultureInfo.InvariantCulture), .. candidate.CommandLine])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        const string inlineCompletions = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
        start.Environment.Remove(inlineCompletions);
        if (candidate.InlineCompletions)
        {
            start.Environment[inlineCompletions] = "1";
        }

        var process = Process.Start(start)!;
        try
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            timeout.CancelAfter(_patience);
            var line = await process.StandardOutput.ReadLineAsync(timeout.Token);
            var ports = (line is null ? null : ServerPorts.Parse(line))
                ?? throw new BenchmarkFailedException($"{candidate.Name} did not start: {line}");
            if (candidate.IsPeer)
            {
                // Its shell has printed the line before it became the server.
                await ports.WaitAsync(timeout.Token);
            }

            _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            return new ServerProcess(process, ports, candidate.IsPeer);
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            process.Dispose();
            throw;
        }
    }

    // The processors that all threads may run on, the ones that exist and the ones to come.
    public async Task PinAsync(params int[] processors)
    {
        using var taskset = Process.Start(new ProcessStartInfo(
            "taskset",
            ["-a", "-c", "-p", string.Join(',', processors), _process.Id.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
        })!;
        await taskset.WaitForExitAsync();
        if (taskset.ExitCode != 0)
        {
            throw new BenchmarkFailedException($"taskset failed with {taskset.ExitCode}");
        }
    }

    public TimeSpan CpuTime
    {
        get
        {
            ThrowIfExited();
            return CpuClock.Read(_process.Id);
        }
    }

    // Of all threads that live, voluntary or not.
    public long ContextSwitches
    {
        get
        {
            ThrowIfExited();
            return Directory.EnumerateDirectories($"/proc/{Id}/task")
                .SelectMany(thread => File.ReadLines(Path.Combine(thread, "status")))
                .Where(line => line.Contains("ctxt_switches:", StringComparison.Ordinal))
                .Sum(line => long.Parse(line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..],
                    CultureInfo.InvariantCulture));
        }
    }

    public long ResidentBytes
    {
        get
        {
            ThrowIfExited();
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    // Asks the server to end. Not ending in time, or not cleanly, is a failure of what is measured. A peer need not
    // know that its standard input is its life line.
    public async Task StopAsync()
    {
        ThrowIfExited();
        if (_isPeer)
        {
            return;
        }

        _process.StandardInput.Close();
        using var timeout = new CancellationTokenSource(_patience);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new BenchmarkFailedException($"the server did not stop within {_patience.TotalSeconds} seconds");
        }

        if (_process.ExitCode != 0)
        {
            throw new BenchmarkFailedException($"the server ended with exit code {_process.ExitCode}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private void ThrowIfExited()
    {
        if (_process.HasExited)
        {
            throw new BenchmarkFailedException($"the server ended by itself with exit code {_process.ExitCode}");
        }
    }
}
