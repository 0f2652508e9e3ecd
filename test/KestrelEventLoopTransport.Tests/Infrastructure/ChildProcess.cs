using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// Runs an explicit test in a process of its own: for what is set once per process, or would harm this one.
/// </summary>
internal static class ChildProcess
{
    // Six cases of OutOfDescriptorsTests take some 25 s on a machine that does nothing else.
    private static readonly TimeSpan _longest = TaskTimeoutExtensions.Default * 6;

    public static Task RunAsync(Type type, string method, params (string Name, string Value)[] environment)
        => RunAsync([], type, method, environment);

    /// <summary>The same, started by another program.</summary>
    public static async Task RunAsync(
        string[] launcher, Type type, string method, params (string Name, string Value)[] environment)
    {
        string[] command =
            [.. launcher, "dotnet", type.Assembly.Location, "-noColor",
            "-explicit", "only", "-method", $"{type.FullName}.{method}"];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // The background compiler starts threads at times of its own, which a test of scarce resources cannot have.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(_longest);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{method} hung: {await output.DefaultTimeout() + await error.DefaultTimeout()}");
        }

        var text = await output.DefaultTimeout() + await error.DefaultTimeout();
        Assert.True(process.ExitCode == 0, text);
        Assert.DoesNotContain("Total: 0,", text);
    }
}
