using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Listening;

/// <summary>What an operator reads when accept(2) fails, and how often it is tried.</summary>
[Trait("Contract", "11")]
[FailsOnStock("Stock logs each failed accept, and does not pause.")]
[Slow]
public sealed class FailedAcceptTests
{
    private const string ErrnoVariable = "KESTREL_TEST_ERRNO";
    private const string ShortageVariable = "KESTREL_TEST_SHORTAGE";
    private const string LateVariable = "KESTREL_TEST_LATE_HEADER";
    private const int EPERM = 1;
    private const int ENOMEM = 12;
    private const int ENFILE = 23;
    private const int EMFILE = 24;
    private const int ENOBUFS = 105;

    public static TheoryData<int, string> Shortages => new()
    {
        {
            EMFILE,
            $"the process has reached its limit of file descriptors (RLIMIT_NOFILE = {Limit}). "
                + "Raise the limit (ulimit -n; LimitNOFILE of a systemd service) or set MaxConnections below it."
        },
        {
            ENFILE,
            $"the whole system has reached its limit of file descriptors (fs.file-max = "
                + $"{File.ReadAllText("/proc/sys/fs/file-max").Trim()}). "
                + "Raise the limit with sysctl, or find the process that holds them."
        },
        {
            ENOBUFS,
            "the kernel has no memory for another socket. "
                + "Give the machine or the container more memory, or set MaxConnections."
        },
        {
            ENOMEM,
            "the kernel has no memory for another socket. "
                + "Give the machine or the container more memory, or set MaxConnections."
        },
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

    [Theory]
    [MemberData(nameof(Shortages))]
    public Task A_shortage_is_named_with_its_limit_and_what_to_do(int errno, string shortage)
        => RunAsync(nameof(Name_a_shortage), (ErrnoVariable, $"{errno}"), (ShortageVariable, shortage));

    [Fact(Explicit = true)]
    public async Task Name_a_shortage()
    {
        var errno = int.Parse(Environment.GetEnvironmentVariable(ErrnoVariable)!, CultureInfo.InvariantCulture);
        var shortage = Environment.GetEnvironmentVariable(ShortageVariable);
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.EndpointDefaults.AcceptMode = AcceptMode.ListenerPerLoop);
        var listener = await BindOnThreadAsync(transport, () => SystemCallFilter.FailAccept(errno));

        // So many that some meet a loop whose thread was started by the filtered one: the pool may start the second.
        var clients = await Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => RawClient.ConnectAsync(listener.EndPoint)));
        await Poll.UntilAsync(() => Balancing.BalanceTests.MonitorOf(transport).Endpoints[0].FailedAccepts >= 8);

        var line = Assert.Single(transport.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Equal(
            $"Accepting connections on {listener.EndPoint} is paused because {shortage} Existing connections are not "
                + "affected. Accepting resumes as soon as one of them closes.",
            line.Message);
        Assert.Null(line.Exception);
        Array.ForEach(clients, static client => client.Dispose());
        await listener.DisposeAsync().DefaultTimeout();
    }

    // Each try may cost a client its connection: what is the matter may not change for long.
    [Fact]
    public Task Accepts_that_fail_for_another_reason_pause_for_longer_and_longer()
        => RunAsync(nameof(Fail_for_another_reason));

    [Fact(Explicit = true)]
    public async Task Fail_for_another_reason()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await BindOnThreadAsync(transport, static () => SystemCallFilter.FailAccept(EPERM));
        var endpoint = Balancing.BalanceTests.MonitorOf(transport).Endpoints[0];

        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await Poll.UntilAsync(() => transport.Logs.Entries.Any(static entry => entry.EventId.Name == "AcceptPaused"));
        var before = endpoint.FailedAccepts;
        await Task.Delay(500);

        // After 10, 20, 40, ... ms; without doubling, 50 times.
        Assert.InRange(endpoint.FailedAccepts - before, 0, 15);
        using var instruments = new LoopInstruments(transport.Services);
        Assert.InRange(instruments.Read("event_loop.listener.failed_accepts"), before, long.MaxValue);
        Assert.InRange(instruments.Read("event_loop.listener.pauses/shortage"), 1, 20);
        Assert.Single(transport.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        await listener.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    public Task Connections_that_the_poller_has_no_room_for_are_taken_at_longer_and_longer_intervals()
    {
        Assert.SkipUnless(TestLibc.KqueueLibrary is null, "The filter is for epoll_ctl(2).");
        return RunAsync(nameof(Fill_the_poller));
    }

    [Fact(Explicit = true)]
    public async Task Fill_the_poller()
    {
        const int ENOSPC = 28;
        var tried = 0;
        await using var transport = new TestTransport(ApplicationScheduling.Inline, options =>
        {
            options.EventLoopCount = 1;

            // On the loop's own thread.
            options.EndpointDefaults.ConfigureAcceptedSocket = _ =>
            {
                if (tried++ == 0)
                {
                    SystemCallFilter.FailEpollControl(ENOSPC);
                }
            };
        });
        var listener = await transport.BindAsync();
        var clients = await Task.WhenAll(
            Enumerable.Range(0, 60).Select(_ => RawClient.ConnectAsync(listener.EndPoint)));
        await Poll.UntilAsync(() => Volatile.Read(ref tried) > 1);
        await Task.Delay(500);

        Assert.InRange(Volatile.Read(ref tried), 2, 15);
        var line = Assert.Single(transport.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Contains("epoll_ctl: No space left on device", line.Exception?.Message, StringComparison.Ordinal);
        Array.ForEach(clients, static client => client.Dispose());

        // Nothing of those that failed is left, or the loop would not stop.
        Assert.Equal(default, Assert.Single(Balancing.BalanceTests.MonitorOf(transport).GetLoopStatistics()));
        await listener.DisposeAsync().DefaultTimeout();
        Assert.Throws<ObjectDisposedException>(() => transport.Pools.Pools[0].Rent());
    }

    [Fact]
    public Task A_connection_that_fails_behind_its_header_is_counted()
    {
        Assert.SkipUnless(TestLibc.KqueueLibrary is null, "The filter is for epoll_ctl(2).");
        return RunAsync(nameof(Fail_behind_the_header));
    }

    [Fact(Explicit = true)]
    public async Task Fail_behind_the_header()
    {
        const int ENOSPC = 28;
        using var sent = new ManualResetEventSlim();
        await using var transport = new TestTransport(ApplicationScheduling.Inline, options =>
        {
            options.EventLoopCount = 1;
            options.EndpointDefaults.ProxyProtocol = new() { TrustedNetworks = { "127.0.0.1" } };

            // The header is there before it is looked for.
            options.EndpointDefaults.ConfigureAcceptedSocket
                = _ => Assert.True(sent.Wait(TaskTimeoutExtensions.Default));
            options.EndpointDefaults.CustomLoadBalancer = static (in LoadBalancingContext _) =>
            {
                SystemCallFilter.FailEpollControl(ENOSPC);
                return 0;
            };
        });
        var listener = await transport.BindAsync();
        var endpoint = Balancing.BalanceTests.MonitorOf(transport).Endpoints[0];
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await client.SendAsync("PROXY UNKNOWN\r\n");
        sent.Set();

        await Poll.UntilAsync(() => endpoint.GetProxyProtocolFailures(ProxyProtocolFailure.Failed) == 1);

        await Poll.UntilAsync(() => endpoint.ConnectionCount == 0);
        Assert.Equal(0, endpoint.AcceptedConnections);
        await listener.DisposeAsync().DefaultTimeout();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Connections_that_wait_for_a_header_pause_accepting_too_when_the_poller_has_no_room(bool isLate)
    {
        Assert.SkipUnless(TestLibc.KqueueLibrary is null, "The filter is for epoll_ctl(2).");
        return RunAsync(nameof(Fill_the_poller_with_waits), (LateVariable, $"{isLate}"));
    }

    [Fact(Explicit = true)]
    public async Task Fill_the_poller_with_waits()
    {
        const int ENOSPC = 28;

        // Either the wait finds no room, or the connection that has got its header.
        var isLate = bool.Parse(Environment.GetEnvironmentVariable(LateVariable)!);
        var tried = 0;
        await using var transport = new TestTransport(ApplicationScheduling.Inline, options =>
        {
            options.EventLoopCount = 1;
            options.EndpointDefaults.AcceptBatchSize = 1;
            options.EndpointDefaults.ProxyProtocol = new() { TrustedNetworks = { "127.0.0.1" } };

            // Both on the loop's own thread.
            options.EndpointDefaults.ConfigureAcceptedSocket = _ => Fail(!isLate && tried++ == 0);
            options.EndpointDefaults.CustomLoadBalancer = (in LoadBalancingContext _) =>
            {
                Fail(isLate && tried++ == 0);
                return 0;
            };
        });
        var listener = await transport.BindAsync();
        var clients = Enumerable.Range(0, 60).Select(_ => RawClient.Create(listener.EndPoint)).ToArray();
        await Task.WhenAll(clients.Select(client => ConnectAsync(client.Socket, listener.EndPoint)));
        if (isLate)
        {
            await Poll.UntilAsync(
                () => Balancing.BalanceTests.MonitorOf(transport).Endpoints[0].ConnectionCount == clients.Length);
            await clients[0].SendAsync("PROXY UNKNOWN\r\n");
        }

        await Poll.UntilAsync(() => transport.Logs.Entries.Any(static entry => entry.EventId.Name == "AcceptPaused"));
        await Task.Delay(500);

        Assert.InRange(Volatile.Read(ref tried), 1, 15);
        var line = Assert.Single(transport.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Contains("epoll_ctl: No space left on device", line.Exception?.Message, StringComparison.Ordinal);
        Array.ForEach(clients, static client => client.Dispose());
        await listener.DisposeAsync().DefaultTimeout();

        // The reset may come so soon that the connect sees it.
        static async Task ConnectAsync(Socket socket, EndPoint endPoint)
        {
            try
            {
                await socket.ConnectAsync(endPoint).DefaultTimeout();
            }
            catch (SocketException exception)
            {
                Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
            }
        }

        static void Fail(bool now)
        {
            if (now)
            {
                SystemCallFilter.FailEpollControl(ENOSPC);
            }
        }
    }

    /// <summary>
    /// In a process of its own: a filter spreads to every thread that a filtered one starts, those of the pool too.
    /// </summary>
    private static Task RunAsync(string method, params (string Name, string Value)[] environment)
    {
        Assert.SkipUnless(SystemCallFilter.IsSupported, "No seccomp filter for this processor.");
        return ChildProcess.RunAsync(typeof(FailedAcceptTests), method, environment);
    }

    /// <summary>The loops' threads inherit what the thread that starts them has given up.</summary>
    internal static async Task<IConnectionListener> BindOnThreadAsync(TestTransport transport, Action prepare)
    {
        var bound = new TaskCompletionSource<IConnectionListener>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                prepare();
                var bind = transport.Factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).AsTask();
                bound.SetResult(bind.GetAwaiter().GetResult());
            }
            catch (Exception exception)
            {
                bound.SetException(exception);
            }
        }).Start();
        return await bound.Task.DefaultTimeout();
    }
}
