using System.Diagnostics;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// Two network namespaces with two links between them (<c>veth(4)</c>), <c>one0</c> to <c>two0</c> and <c>one1</c> to
/// <c>two1</c>. The first namespace has 10.77.0.1, 10.77.0.3 and fd77::1 on its first link, and the same with 78 on its
/// second. The other namespace has 2 and 4 for 1 and 3.
/// </summary>
internal sealed partial class NetworkPair : IDisposable
{
    private const int CLONE_NEWNET = 0x40000000;

    private static int _count;

    private readonly string _one = $"kelt{Environment.ProcessId}-{Interlocked.Increment(ref _count)}a";
    private readonly string _two;

    private NetworkPair() => _two = _one[..^1] + "b";

    /// <summary>Skips the test where no namespaces can be made.</summary>
    public static NetworkPair Create()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has network namespaces.");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Making network namespaces needs root.");
        var pair = new NetworkPair();
        try
        {
            pair.SetUp();
            return pair;
        }
        catch (InvalidOperationException exception)
        {
            pair.Dispose();
            Assert.Skip($"No network namespaces can be made here: {exception.Message}");
            throw;
        }
    }

    public T InOne<T>(Func<T> action) => Run(_one, action);

    public T InTwo<T>(Func<T> action) => Run(_two, action);

    public void Dispose()
    {
        foreach (var name in (string[])[_one, _two])
        {
            try
            {
                Ip($"netns del {name}");
            }
            catch (InvalidOperationException)
            {
                // It was not made.
            }
        }
    }

    private void SetUp()
    {
        Ip($"netns add {_one}");
        Ip($"netns add {_two}");
        for (var link = 0; link < 2; link++)
        {
            Ip($"link add one{link} netns {_one} type veth peer name two{link} netns {_two}");
            SetUp(_one, "one", link, host: 1);
            SetUp(_two, "two", link, host: 2);
            AwaitMulticast(_one, $"one{link}");
            AwaitMulticast(_two, $"two{link}");
        }
    }

    /// <summary>IPv6 has a route for groups a moment after the link is up.</summary>
    private static void AwaitMulticast(string name, string link)
    {
        for (var waited = Stopwatch.StartNew(); ; Thread.Sleep(5))
        {
            try
            {
                Ip($"-n {name} -6 route get ff02::77 oif {link}");
                return;
            }
            catch (InvalidOperationException) when (waited.Elapsed < TaskTimeoutExtensions.Default)
            {
                // Not yet.
            }
        }
    }

    private static void SetUp(string name, string side, int link, int host)
    {
        Ip($"-n {name} addr add 10.{77 + link}.0.{host}/24 brd + dev {side}{link}");
        Ip($"-n {name} addr add 10.{77 + link}.0.{host + 2}/24 brd + dev {side}{link}");
        Ip($"-n {name} addr add fd{77 + link}::{host}/64 dev {side}{link} nodad");
        Ip($"-n {name} link set lo up");
        Ip($"-n {name} link set {side}{link} up");
    }

    /// <summary>Runs code on a thread of its own, because a namespace belongs to a thread.</summary>
    private static T Run<T>(string name, Func<T> action)
    {
        var result = default(T);
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter(name);
                result = action();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result! : throw new InvalidOperationException(failure.Message, failure);
    }

    private static void Enter(string name)
    {
        using var file = File.OpenHandle($"/run/netns/{name}");
        Assert.Equal(0, setns((int)file.DangerousGetHandle(), CLONE_NEWNET));
    }

    private static void Ip(string arguments)
    {
        var start = new ProcessStartInfo("ip", arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new InvalidOperationException(exception.Message, exception);
        }

        using (process)
        {
            _ = process.StandardOutput.ReadToEnd();
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"ip {arguments}: {error.Trim()}");
            }
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int type);
}
