using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests;

/// <summary>What an operator reads when accept(2) fails for want of something.</summary>
[Trait("Contract", "11")]
[Trait("Stock", "fails")]
public sealed class ShortageLogTests
{
    private const string ErrnoVariable = "KESTREL_TEST_ERRNO";
    private const string ShortageVariable = "KESTREL_TEST_SHORTAGE";
    private const int ENOMEM = 12;
    private const int ENFILE = 23;
    private const int EMFILE = 24;
    private const int ENOBUFS = 105;

    public static TheoryData<int, string> Shortages => new()
    {
        { EMFILE, $"the process has no free file descriptor, as many as its limit RLIMIT_NOFILE of {Limit} allows are open. Raise the limit (ulimit -n; LimitNOFILE of a systemd service) or set MaxConnections below it." },
        { ENFILE, $"the whole system has no free file descriptor, as many as its limit fs.file-max of {File.ReadAllText("/proc/sys/fs/file-max").Trim()} allows are open. Raise the limit with sysctl, or look for the process that has them." },
        { ENOBUFS, "the kernel has no memory for one more socket. Give the machine or the container more, or set MaxConnections." },
        { ENOMEM, "the kernel has no memory for one more socket. Give the machine or the container more, or set MaxConnections." },
    };

    private static ulong Limit
    {
        get
        {
            var limit = default(Libc.ResourceLimit);
            Assert.Equal(0, Libc.getrlimit(Libc.RLIMIT_NOFILE, ref limit));
            return limit.Current;
        }
    }

    // In a process of its own: the filter spreads to every thread that a filtered one starts, those of the pool too.
    [Theory]
    [MemberData(nameof(Shortages))]
    public Task A_shortage_is_named_with_its_limit_and_what_to_do(int errno, string shortage)
    {
        Assert.SkipUnless(SystemCallFilter.IsSupported, "No seccomp filter for this processor.");
        return ChildProcess.RunAsync(
            typeof(ShortageLogTests), nameof(Name_a_shortage), (ErrnoVariable, $"{errno}"), (ShortageVariable, shortage));
    }

    [Fact(Explicit = true)]
    public async Task Name_a_shortage()
    {
        var errno = int.Parse(Environment.GetEnvironmentVariable(ErrnoVariable)!, CultureInfo.InvariantCulture);
        var shortage = Environment.GetEnvironmentVariable(ShortageVariable);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options => options.AcceptMode = AcceptMode.ListenerPerLoop);
        var listener = await BindOnThreadAsync(transport, () => SystemCallFilter.FailAccept(errno));

        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        using var second = await RawClient.ConnectAsync(listener.EndPoint);
        await Poll.UntilAsync(() => Balancing.BalanceTests.StateOf(transport).Listeners[0].FailedAccepts >= 8);

        var line = Assert.Single(transport.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Equal(
            $"Accepting on {listener.EndPoint} pauses: {shortage} Open connections are served; accepting goes on as soon as one of them closes.",
            line.Message);
        Assert.Null(line.Exception);
        await listener.DisposeAsync().DefaultTimeout();
    }

    /// <summary>The loops' threads inherit what the thread that starts them has given up.</summary>
    private static async Task<IConnectionListener> BindOnThreadAsync(TestTransport transport, Action prepare)
    {
        var listener = new TaskCompletionSource<IConnectionListener>();
        new Thread(() =>
        {
            prepare();
            listener.SetResult(transport.Factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).AsTask().GetAwaiter().GetResult());
        }).Start();
        return await listener.Task.DefaultTimeout();
    }
}
