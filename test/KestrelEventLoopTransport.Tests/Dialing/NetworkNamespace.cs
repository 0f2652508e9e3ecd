using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Networks of their own for tests (<c>network_namespaces(7)</c>), which a test can break.</summary>
internal static class NetworkNamespace
{
    /// <summary>
    /// Runs a test in a new network whose loopback interface is up; skips it where none can be made. The test begins on
    /// a thread in that network. Threads that it starts are in it too: those of loops. What goes on after an
    /// <c>await</c> runs outside, so it makes no socket there.
    /// </summary>
    /// <param name="test">The test.</param>
    /// <param name="commands">Arguments of <c>ip(8)</c> that set the network up.</param>
    public static async Task RunAsync(Func<Task> test, params string[] commands)
    {
        var begun = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                Enter(commands);
                begun.SetResult(test());
            }
            catch (Exception exception)
            {
                begun.SetException(exception);
            }
        }).Start();
        await (await begun.Task);
    }

    private static void Enter(string[] commands)
    {
        if (Libc.unshare(Libc.CLONE_NEWNET) != 0)
        {
            Assert.Skip($"No network namespace can be made here: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        Configure("link set lo up");
        Array.ForEach(commands, Configure);
    }

    // The process is in the network of the thread that starts it.
    private static void Configure(string command)
    {
        try
        {
            var start = new ProcessStartInfo("ip", command) { RedirectStandardError = true };
            using var ip = Process.Start(start)!;
            var error = ip.StandardError.ReadToEnd();
            ip.WaitForExit();
            Assert.SkipUnless(ip.ExitCode == 0, $"'ip {command}' fails here: {error.Trim()}");
        }
        catch (Win32Exception exception)
        {
            Assert.Skip($"ip(8) cannot be run here: {exception.Message}");
        }
    }
}
