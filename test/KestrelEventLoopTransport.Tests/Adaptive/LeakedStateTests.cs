using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>What one callback leaves on the thread of a loop, the next one must not see.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class LeakedStateTests
{
    private const int Rounds = 10;

    public static TheoryData<ApplicationScheduling, bool> OnLoopThreads => new()
    {
        { ApplicationScheduling.Adaptive, false },
        { ApplicationScheduling.Adaptive, true },
        { ApplicationScheduling.Inline, false },
        { ApplicationScheduling.Inline, true },
    };

    [Theory]
    [MemberData(nameof(OnLoopThreads))]
    public Task What_a_handler_sets_after_an_await_is_not_seen_by_the_next(
        ApplicationScheduling scheduling, bool suppressFlow)
        => AssertNothingLeaksAsync(scheduling, async (connection, use) =>
        {
            while (await ReadOneAsync(connection, use, suppressFlow).ConfigureAwait(false))
            {
            }
        });

    /// <summary>No async method and no execution context between the loop and the callback.</summary>
    [Theory]
    [MemberData(nameof(OnLoopThreads))]
    public Task What_a_bare_callback_sets_is_not_seen_by_the_next(ApplicationScheduling scheduling, bool suppressFlow)
        => AssertNothingLeaksAsync(scheduling, (connection, use) =>
        {
            var ended = Signal.New();
            Read();
            return ended.Task;

            void Read()
            {
#pragma warning disable CA2012 // Consumed once, in the callback.
                var awaiter = connection.Transport.Input.ReadAsync().GetAwaiter();
#pragma warning restore CA2012
                awaiter.UnsafeOnCompleted(() =>
                {
                    try
                    {
                        var result = awaiter.GetResult();
                        connection.Transport.Input.AdvanceTo(result.Buffer.End);
                        if (!result.IsCompleted)
                        {
                            Read();
                            use(suppressFlow);
                            return;
                        }

                        ended.SetResult();
                    }
                    catch (Exception exception)
                    {
                        ended.SetException(exception);
                    }
                });
            }
        });

    /// <summary>
    /// A method of its own, so that what it sets does not flow to its caller, where it would be seen by right.
    /// </summary>
    private static async Task<bool> ReadOneAsync(ConnectionContext connection, Action<bool> use, bool suppressFlow)
    {
        var result = await connection.Transport.Input.ReadAsync().ConfigureAwait(false);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        if (result.IsCompleted)
        {
            return false;
        }

        use(suppressFlow);
        return true;
    }

    private static async Task AssertNothingLeaksAsync(
        ApplicationScheduling scheduling, Func<ConnectionContext, Action<bool>, Task> readAll)
    {
        using var uses = new SemaphoreSlim(0);
        using var connected = new SemaphoreSlim(0);
        var seen = new List<(string? Thread, ThreadState State)>();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,

            // Long enough that a thread that gets no processor keeps its loop: with another thread running the loop,
            // the next message would be there before this handler reads again, and would be its next in the same
            // callback.
            Transport = static options
                => (options.EventLoopCount, options.Adaptive.HandOffThreshold) = (1, TimeSpan.FromSeconds(
                1)),
            Connection = async connection =>
            {
                var reading = readAll(connection, Use);
                connected.Release();
                await reading;
            },
        });
        using var first = await server.ConnectAsync();
        using var second = await server.ConnectAsync();

        // From here on both wait for the loop.
        await connected.WaitAsync().DefaultTimeout();
        await connected.WaitAsync().DefaultTimeout();
        for (var i = 0; i < Rounds * 2; i++)
        {
            await (i % 2 == 0 ? first : second).SendAsync("x");
            await uses.WaitAsync().DefaultTimeout();
        }

        lock (seen)
        {
            Assert.Equal(Rounds * 2, seen.Count);
            Assert.All(seen, static use => Assert.True(TestApp.IsLoopThread(use.Thread), use.Thread));
            Assert.All(seen, static use => Assert.Equal(ThreadState.Clean, use.State));
        }

        void Use(bool suppressFlow)
        {
            lock (seen)
            {
                seen.Add((Thread.CurrentThread.Name, ThreadState.Capture()));
            }

            ThreadState.Spoil(suppressFlow);
            uses.Release();
        }
    }
}
