using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A program of the machine, with its output captured. It does not outlive its test.
/// </summary>
internal sealed class ToolProcess : IAsyncDisposable
{
    private static readonly string[] _directories =
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator), "/usr/sbin", "/sbin"];

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    private ToolProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Output => Text(_output);

    public string Error => Text(_error);

    public static bool IsInstalled(string tool) => PathOf(tool) is not null;

    /// <summary>Runs a tool to its end. Skips the test when the tool is not installed.</summary>
    public static Task<ToolResult> RunAsync(string tool, params IEnumerable<string> arguments)
        => RunToEndAsync(tool, arguments, TestContext.Current.CancellationToken);

    /// <summary>The same where no test runs yet that has a time to keep to: in a fixture.</summary>
    public static async Task<ToolResult> RunWithinAsync(
        TimeSpan time, string tool, params IEnumerable<string> arguments)
    {
        using var source = new CancellationTokenSource(time);
        return await RunToEndAsync(tool, arguments, source.Token);
    }

    /// <summary>Starts a tool that runs until disposed. Skips the test when the tool is not installed.</summary>
    public static ToolProcess Start(string tool, params IEnumerable<string> arguments)
    {
        var path = PathOf(tool);
        Assert.SkipWhen(path is null, $"{tool} is not installed");
        var start = new ProcessStartInfo(path!, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // The kqueue of these tests is loaded into this process only: a sample started here runs on epoll.
        start.Environment.Remove("KESTREL_EVENTLOOP_POLLER");

        // As for the tests themselves: it ends before the code is hot.
        start.Environment.TryAdd("DOTNET_TieredPGO", "0");
        return new ToolProcess(Process.Start(start) ?? throw new Win32Exception($"{tool} did not start"));
    }

    /// <summary>Waits until the process has written this: that it is ready, and where it listens.</summary>
    public async Task<Match> UntilWrittenAsync(Regex pattern)
    {
        Match match;
        while (!(match = pattern.Match(Output)).Success)
        {
            Assert.False(HasExited, $"It has ended: {Output} {Error}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        return match;
    }

    /// <summary>Asks the process to end, by a signal, and waits until it has.</summary>
    public async Task<ToolResult> StopAsync(string signal = "TERM")
    {
        (await RunAsync("kill", $"-{signal}", Id.ToString(CultureInfo.InvariantCulture))).AssertSuccess();
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new ToolResult(_process.ExitCode, Output, Error);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process.Dispose();
    }

    private static async Task<ToolResult> RunToEndAsync(
        string tool, IEnumerable<string> arguments, CancellationToken timeout)
    {
        await using var process = Start(tool, arguments);
        try
        {
            await process._process.WaitForExitAsync(timeout);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{tool} did not end in time. Output: {process.Output} Error: {process.Error}");
        }

        return new ToolResult(process._process.ExitCode, process.Output, process.Error);
    }

    private static string? PathOf(string tool)
        => _directories.Select(directory => Path.Combine(directory, tool)).FirstOrDefault(File.Exists);

    private static void Append(StringBuilder text, string? line)
    {
        if (line is not null)
        {
            lock (text)
            {
                text.AppendLine(line);
            }
        }
    }

    private static string Text(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }
}
