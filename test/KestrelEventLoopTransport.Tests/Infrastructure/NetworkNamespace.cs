using System.ComponentModel;
using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// A network for a test alone (<c>network_namespaces(7)</c>), which it can break. A whole process is in it: a thread
/// that entered one could start a thread of the pool there, and other tests would go on in that network.
/// </summary>
internal static class NetworkNamespace
{
    private static readonly string[] _launcher = ["unshare", "--net"];

    /// <summary>Runs an explicit test in a process of its own in a new network, in which nothing is up yet.</summary>
    /// <param name="type">The class of the test.</param>
    /// <param name="method">The test.</param>
    /// <param name="needed">A command that has to work there; otherwise the test is skipped.</param>
    public static async Task RunAsync(Type type, string method, params string[] needed)
    {
        string[] command = [.. _launcher, .. needed];
        var error = await TryRunAsync(command);
        Assert.SkipUnless(error is null, $"{string.Join(' ', command)}: {error}");
        await ChildProcess.RunAsync(_launcher, type, method);
    }

    /// <summary>Runs a command that changes the network of this process.</summary>
    public static async Task ConfigureAsync(params string[] command) => Assert.Null(await TryRunAsync(command));

    /// <summary>Returns what the command has printed if it has failed.</summary>
    private static async Task<string?> TryRunAsync(string[] command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = await process.StandardError.ReadToEndAsync().DefaultTimeout();
            await process.WaitForExitAsync().DefaultTimeout();
            return process.ExitCode == 0 ? null : $"{process.ExitCode} {error}{await output}";
        }
        catch (Win32Exception exception)
        {
            return exception.Message;
        }
    }
}
