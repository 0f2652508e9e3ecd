using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Torture;

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
            new EpisodePlan(seed: 5) { Serving = Serving.Direct, Scheduling = ApplicationScheduling.Adaptive, LogFails = true, StopsEarly = false },
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
            ApplicationScheduling.Inline, static options => (options.EventLoopCount, options.MaxWriteBufferSize) = (1, Unsent));
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

            flush.GetAwaiter().UnsafeOnCompleted(() => ranInAbort.SetResult(Volatile.Read(ref abortingThread) == Environment.CurrentManagedThreadId));
            Volatile.Write(ref abortingThread, Environment.CurrentManagedThreadId);
            pair.Connection.Abort(new ConnectionAbortedException("test"));
            Volatile.Write(ref abortingThread, 0);
        });

        await pair.Client.SendAsync("x");

        Assert.False(await ranInAbort.Task.DefaultTimeout());
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

        // The first two or three come at once: before the connection lingers, when it begins to, for an edge. The others wait.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(Tries), TimeSpan.MaxValue);
        FaultyLibc.Stop();

        Assert.Equal(response, await pair.Client.ReceiveToEndAsync());

        static long Shortages() => FaultyLibc.Injected().Sum();
    }
}
