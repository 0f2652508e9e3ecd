using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// Loggers and listeners of the meter are the user's code: one that blocks does not end the supervision.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor and no meter.")]
public sealed class BlockingListenerTests
{
    private const int Often = 100;

    [Fact]
    public async Task Loops_change_hands_although_a_listener_of_the_meter_blocks()
    {
        var roadblock = new Roadblock();
        var held = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var releasing = held;
        var factory = server.Services.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == factory && instrument.Name == "event_loop.overdue_callback.duration")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => held.Block());
        listener.Start();

        // Its end is measured by the thread that was stuck, and then, without a hand-off, by the supervisor.
        using var first = await TestApp.ConnectToLoopAsync(server);
        using var other = await TestApp.ConnectToLoopAsync(server);
        while (held.Arrived == 0)
        {
            Assert.Equal(TestApp.Sleep, await first.GetAsync(TestApp.Sleep));
        }

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(TestApp.Sleep, await first.GetAsync(TestApp.Sleep));
        }

        await AssertServedWhileBlockedAsync(server, roadblock, other);
        Assert.Equal(1, held.Arrived);
    }

    [Fact]
    public async Task Loops_change_hands_although_a_logger_blocks()
    {
        var roadblock = new Roadblock();
        var held = new Roadblock();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            App = new TestApp(roadblock).RunAsync,
            Transport = static options => options.EventLoopCount = 1,
            Services = services => services.AddSingleton<ILoggerProvider>(new EventHook("HandlersBlock", held.Block)),
        });
        using var opening = roadblock;
        using var releasing = held;
        using var other = await TestApp.ConnectToLoopAsync(server);
        var peers = new List<HttpPeer>();
        for (var i = 0; i < Often; i++)
        {
            peers.Add(await TestApp.ConnectToLoopAsync(server));
        }

        // The log wants so many hand-offs within ten seconds. On a slow machine a later wave has them.
        while (held.Arrived == 0)
        {
            await Task.WhenAll(peers.Select(static peer => peer.GetAsync(TestApp.Sleep)));
        }

        await AssertServedWhileBlockedAsync(server, roadblock, other);
        peers.ForEach(static peer => peer.Dispose());
    }

    [Fact]
    public async Task A_thread_that_defers_does_not_wait_for_a_provider()
    {
        var held = new Roadblock();
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(new EventHook("Test", held.Block)));
        using var releasing = held;
        var logger = SafeLogger.Create(factory, "test");
        var logged = Signal.New();
        new Thread(() =>
        {
            SafeLogger.DeferOnThisThread();
            for (var i = 0; i < 3; i++)
            {
                if (logger.IsEnabled(LogLevel.Critical))
                {
                    logger.Log(LogLevel.Critical, new EventId(1, "Test"), i, null, static (state, _) => $"{state}");
                }
            }

            logged.SetResult();
        }).Start();

        await logged.Task.DefaultTimeout();
        await held.UntilArrivedAsync(1);
        held.Open();
        await held.UntilArrivedAsync(3);
    }

    [Fact]
    public async Task Values_for_user_code_keep_their_order_and_are_not_kept_without_bound()
    {
        const int Added = 100_000;
        var seen = new List<int>();

        // Never disposed: a value may be consumed after the test has ended.
        var open = new ManualResetEventSlim();
        var queue = new PoolQueue<int>(value =>
        {
            open.Wait();
            lock (seen)
            {
                seen.Add(value);
            }
        });
        for (var i = 0; i < Added; i++)
        {
            queue.Add(i);
        }

        open.Set();
        await Poll.UntilAsync(() =>
        {
            // Taken again when there is room.
            queue.Add(Added);
            lock (seen)
            {
                return seen.Contains(Added);
            }
        });

        lock (seen)
        {
            Assert.Equal(seen.Order(), seen);
            Assert.InRange(seen.Count(static value => value < Added), 1000, Added / 2);
        }
    }

    private static async Task AssertServedWhileBlockedAsync(TestServer server, Roadblock roadblock, HttpPeer other)
    {
        using var blocked = await TestApp.ConnectToLoopAsync(server);
        var arrived = roadblock.Arrived;
        await blocked.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(arrived + 1);
        Assert.True(TestApp.IsLoopThread(roadblock.Threads.Last()));
        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));
    }
}
