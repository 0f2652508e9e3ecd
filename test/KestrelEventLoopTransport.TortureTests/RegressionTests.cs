using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// What the torture test has found.
/// </summary>
[Trait("Contract", "torture")]
[Collection(ProcessWide.Name)]
public sealed class RegressionTests
{
    private const int Unsent = 4096;

    /// <summary>A logger that threw left connections unfinished, and dispose waiting.</summary>
    [Fact]
    public Task Connections_end_although_the_logger_throws()
        => TortureTests.RunAsync(
            new EpisodePlan(seed: 5)
            {
                Serving = Serving.Direct,
                Scheduling = ApplicationScheduling.Adaptive,
                LogFails = true,
                StopsEarly = false,
            },
            new TortureTests.Totals(),
            collect: true);

    /// <summary>
    /// Kestrel aborts under a lock that the continuation of a flush may want. A flush that waits because the kernel had
    /// no memory must not complete in there, although the send that Abort makes succeeds.
    /// </summary>
    [Fact]
    [Trait("Contract", "21")]
    public async Task Abort_completes_no_flush_on_its_own_stack()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Inline,
            static options => (options.EventLoopCount, options.MaxWriteBufferSize) = (1, Unsent));
        await using var pair = await transport.ConnectAsync();
        var ranInAbort = new TaskCompletionSource<bool>();
        var reading = pair.Input.ReadAsync().AsTask();
        Assert.False(reading.IsCompleted);
        reading.GetAwaiter().UnsafeOnCompleted(() =>
        {
            // On the loop's thread, where nothing else can happen until this returns.
            var abortingThread = 0;
            FaultyLibc.Start(1, FaultMix.Always("write-ENOBUFS"));
            pair.Output.Write(new byte[Unsent * 2]);
            var flush = pair.Output.FlushAsync().AsTask();
            FaultyLibc.Stop();
            if (flush.IsCompleted)
            {
                ranInAbort.SetException(new InvalidOperationException("The flush did not wait."));
                return;
            }

            flush.GetAwaiter().UnsafeOnCompleted(
                () => ranInAbort.SetResult(Volatile.Read(ref abortingThread) == Environment.CurrentManagedThreadId));
            Volatile.Write(ref abortingThread, Environment.CurrentManagedThreadId);
            pair.Connection.Abort(new ConnectionAbortedException("test"));
            Volatile.Write(ref abortingThread, 0);
        });

        await pair.Client.SendAsync("x");

        Assert.False(await ranInAbort.Task.DefaultTimeout());
    }

    /// <summary>
    /// The peer's FIN came after the transport had looked for it and before the connection lingered: nobody looked
    /// again, and the connection lingered in vain for its whole time.
    /// </summary>
    [Fact]
    [Trait("Contract", "22")]
    public async Task An_edge_that_comes_just_before_lingering_is_seen()
    {
        // Lingering ends by itself after 5 seconds.
        var lingering = TimeSpan.FromSeconds(4);
        await using var transport = new TestTransport(
            ApplicationScheduling.ThreadPool, static options => options.EventLoopCount = 1);
        await using var other = await transport.ConnectAsync();
        for (var attempt = 1; ; attempt++)
        {
            await using var pair = await transport.ConnectAsync();
            await pair.Client.SendAsync("unread");
            pair.Input.AdvanceTo((await pair.Input.ReadAsync().AsTask().DefaultTimeout()).Buffer.Start);
            await pair.Output.WriteAsync(new byte[1]);

            FaultyLibc.HoldShutdowns(true);
            var disposing = Task.Run(() => pair.Connection.DisposeAsync().AsTask());
            try
            {
                await Poll.UntilAsync(static () => FaultyLibc.HoldShutdowns(true) == 1);
                pair.Client.ShutdownSend();

                // What the loop tells of this has come after what it tells of the FIN.
                await Echo.RoundTripAsync(other.Client, other.Connection);
            }
            finally
            {
                FaultyLibc.HoldShutdowns(false);
            }

            var start = Stopwatch.GetTimestamp();
            await disposing.DefaultTimeout();

            // A machine that stood still may need another attempt; one that never looks again needs its time each time.
            if (Stopwatch.GetElapsedTime(start) < lingering)
            {
                return;
            }

            Assert.True(attempt < 3, "Each connection lingered although its peer had finished.");
        }
    }

    /// <summary>The Kestrel server of an episode failed when clients had used up the ephemeral ports.</summary>
    [Fact]
    public async Task A_server_waits_for_a_port_that_is_in_use()
    {
        await StartOnUsedPortAsync(Serving.Direct);
        await StartOnUsedPortAsync(Serving.Kestrel);
    }

    /// <summary>
    /// The kernel had no memory while a closing connection threw away what was unread: that was taken for its end, and
    /// the reset took the response with it.
    /// </summary>
    [Fact]
    [Trait("Contract", "22")]
    public async Task A_shortage_while_lingering_does_not_reset_the_response()
    {
        const int Tries = 10;
        var response = Pattern.Create(30_000, 1);
        await using var transport = new TestTransport(ApplicationScheduling.ThreadPool);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(new byte[30_000]);
        pair.Input.AdvanceTo((await pair.Input.ReadAsync().AsTask().DefaultTimeout()).Buffer.Start);
        pair.Output.Write(response);
        await pair.Output.FlushAsync();

        FaultyLibc.Start(1, FaultMix.Always("read-ENOMEM"));
        var start = Stopwatch.GetTimestamp();
        await pair.Connection.DisposeAsync().AsTask().DefaultTimeout();
        await Poll.UntilAsync(() => Shortages() >= Tries, static () => $"Only {Shortages()} receives were tried.");

        // The first two or three come at once: before the connection lingers, when it begins to, for an edge. The
        // others wait.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(Tries), TimeSpan.MaxValue);
        FaultyLibc.Stop();

        Assert.Equal(response, await pair.Client.ReceiveToEndAsync());

        static long Shortages() => FaultyLibc.Injected().Sum();
    }

    private static async Task StartOnUsedPortAsync(Serving serving)
    {
        using var occupant = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        occupant.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        occupant.Listen();
        var plan = new EpisodePlan(seed: 5)
        {
            Serving = serving,
            Mix = FaultMix.Always(),
            LogFails = false,
            PoolFails = false,
        };

        var starting = TortureServer.StartAsync(new Episode(plan), occupant.LocalEndPoint!);
        await Task.WhenAny(starting, Task.Delay(50));
        Assert.False(starting.IsCompletedSuccessfully);
        occupant.Dispose();

        var server = await starting.DefaultTimeout();
        await server.StopAsync().DefaultTimeout();
        await server.DisposeAsync().AsTask().DefaultTimeout();
        FaultyLibc.Stop();
    }
}
