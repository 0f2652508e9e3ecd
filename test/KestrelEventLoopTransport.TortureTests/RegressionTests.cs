using System.Buffers;
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
}
