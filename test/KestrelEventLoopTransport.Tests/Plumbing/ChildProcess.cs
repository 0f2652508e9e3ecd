using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests;

/// <summary>Runs an explicit test in a process of its own: for what is set once per process, or would harm this one.</summary>
internal static class ChildProcess
{
    public static async Task RunAsync(Type type, string method, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { type.Assembly.Location, "-noColor", "-explicit", "only", "-method", $"{type.FullName}.{method}" },
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
            await process.WaitForExitAsync().DefaultTimeout();
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
