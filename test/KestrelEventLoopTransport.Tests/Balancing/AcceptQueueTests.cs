using System.Net;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>
/// Several acceptors, one queue: null, which ends Kestrel's listener, comes at the end and not before.
/// </summary>
[Trait("Contract", "11")]
[FailsOnStock("An internal class of ours.")]
public sealed class AcceptQueueTests
{
    private static readonly IPEndPoint _endPoint = new(IPAddress.Loopback, 1);

    [Fact]
    public async Task An_announcement_that_comes_late_does_not_end_the_next_wait()
    {
        var queue = new AcceptQueue(_endPoint, null!);
        var accept = queue.AcceptAsync(default).AsTask();

        // Of a connection that an earlier accept has taken: there is nothing for this one.
        queue.Announce(null!);
        Assert.False(accept.IsCompleted);

        queue.Complete();
        Assert.Null(await accept.DefaultTimeout());
    }

    // Between the look that finds nothing and the wait.
    [Fact]
    public async Task An_end_that_comes_while_an_accept_begins_to_wait_is_not_missed()
    {
        const int Rounds = 30_000;
        AcceptQueue? current = null;
        var ending = Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < Rounds; i++)
                {
                    AcceptQueue? queue = null;
                    SpinUntil(() => (queue = Interlocked.Exchange(ref current, null)) is not null);
                    Thread.SpinWait(i % 16);
                    queue!.Complete();
                }
            },
            TaskCreationOptions.LongRunning);
        for (var i = 0; i < Rounds; i++)
        {
            var queue = new AcceptQueue(_endPoint, null!);
            Volatile.Write(ref current, queue);
            SpinUntil(() => Volatile.Read(ref current) is null);
            Assert.Null(await queue.AcceptAsync(default).DefaultTimeout());
        }

        await ending.DefaultTimeout();
    }

    [Fact]
    public async Task The_loops_other_work_goes_first_after_64_connections()
    {
        const int Burst = 64;
        var queue = new AcceptQueue(_endPoint, null!);
        var intake = IntakeOf(queue);
        for (var i = 0; i < 20 * Burst; i++)
        {
            intake.Enqueue(Blank<StreamConnection>());
        }

        for (var burst = 0; burst < 2; burst++)
        {
            // The pool may bring a postponed one before the loop has looked. Then the next burst follows at once.
            Assert.Equal(Burst, TakeOnLoop(queue, out var postponed) % (Burst + 1));
            Assert.NotNull(await postponed.DefaultTimeout());
        }
    }

    [Fact]
    public async Task With_ThreadPool_scheduling_the_application_takes_connections_on_the_pool()
    {
        await using var transport = new TestTransport(ApplicationScheduling.ThreadPool);
        var listener = await transport.BindAsync();
        var onPool = Task.Run(async () =>
        {
            await (await listener.AcceptAsync())!.DisposeAsync();
            return Thread.CurrentThread.IsThreadPoolThread;
        });

        using var client = await RawClient.ConnectAsync(listener.EndPoint);

        Assert.True(await onPool.DefaultTimeout());
    }

    [Fact]
    public async Task A_storm_on_four_acceptors_never_ends_the_listener()
    {
        const int Connections = 4000;

        // The kernel's queues have room for all of these. Linux drops the last packet of a handshake when the queue is
        // full (tcp(7), tcp_abort_on_overflow). The client counts as connected, and if it resets then, no connection
        // comes out of the queue.
        const int MaxUntaken = 100;
        using var room = new SemaphoreSlim(MaxUntaken);
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EventLoopCount = 4;
            options.EndpointDefaults.AcceptMode = AcceptMode.ListenerPerLoop;
            options.EndpointDefaults.AcceptBatchSize = 8;
        });
        var listener = await transport.BindAsync();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = 16 };
        var clients = Task.Run(() => Parallel.ForAsync(0, Connections, parallel, async (_, _) =>
        {
            await room.WaitAsync(CancellationToken.None);
            using var client = await RawClient.ConnectAsync(listener.EndPoint);
            client.Reset();
        }));
        var accepts = AcceptAllAsync();

        // If a client fails, the test fails with its exception and not because an accept waits in vain.
        await await Task.WhenAny(clients, accepts);
        await Task.WhenAll(clients, accepts).DefaultTimeout();

        async Task AcceptAllAsync()
        {
            for (var i = 0; i < Connections; i++)
            {
                var connection = await listener.AcceptAsync().DefaultTimeout();
                Assert.NotNull(connection);
                room.Release();
                await connection.DisposeAsync().DefaultTimeout();
            }
        }
    }

    // SpinWait.SpinUntil would sleep.
    private static void SpinUntil(Func<bool> condition)
    {
        var spin = new SpinWait();
        while (!condition())
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>As in code that a loop runs: how many it gets at once, and the accept that it does not.</summary>
    private static int TakeOnLoop(AcceptQueue queue, out ValueTask<ConnectionContext?> postponed)
    {
        ThreadActivity.Current = Blank<ThreadActivity>();
        try
        {
            for (var taken = 0; ; taken++)
            {
                postponed = queue.AcceptAsync(default);
                if (!postponed.IsCompleted || taken > 1000)
                {
                    return taken;
                }

                Assert.NotNull(postponed.Result);
            }
        }
        finally
        {
            ThreadActivity.Current = null;
        }
    }

    private static ConnectionIntake IntakeOf(AcceptQueue queue)
        => new(null!, null!, new EndpointOptions(), null!, null!, null!, queue, proxies: null);

    /// <summary>Something for the queue, which does not look into it.</summary>
    private static T Blank<T>() => (T)RuntimeHelpers.GetUninitializedObject(typeof(T));
}
