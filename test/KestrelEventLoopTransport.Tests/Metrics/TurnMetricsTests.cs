using System.Diagnostics;
using KestrelEventLoopTransport.Tests.Loops;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>What the loops count of their turns.</summary>
[FailsOnStock("Metrics of ours.")]
public sealed class TurnMetricsTests
{
    [Fact]
    public async Task Each_loop_has_its_connections()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(transport.Services);
        Assert.Null(instruments.TryRead("event_loop.connections/0"));
        var listener = await transport.BindAsync();
        var pairs = new List<ConnectedPair>();
        for (var i = 0; i < 3; i++)
        {
            pairs.Add(await transport.ConnectAsync(listener));
        }

        double[] loops = [instruments.Read("event_loop.connections/0"), instruments.Read("event_loop.connections/1")];
        Assert.Equal([1, 2], loops.Order());

        await using var dialed = await transport.DialAsync();
        Assert.Equal(
            4, instruments.Read("event_loop.connections/0") + instruments.Read("event_loop.connections/1"));

        foreach (var pair in pairs)
        {
            await pair.DisposeAsync();
        }

        await Poll.UntilAsync(
            () => instruments.Read("event_loop.connections/0") + instruments.Read("event_loop.connections/1") == 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Turns_and_events_grow_with_requests(ApplicationScheduling scheduling)
    {
        const int Turns = 10;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = static options => options.EventLoopCount = 1,
        });
        using var instruments = new LoopInstruments(server.Services);
        using var client = await server.ConnectAsync();
        var turns = instruments.Read("event_loop.turns/0");
        var events = instruments.Read("event_loop.events/0");

        // Not one turn for each request: a server that is kept from its processor may find the next one without a turn.
        await Poll.UntilAsync(async () =>
        {
            await Echo.RoundTripAsync(client);
            return instruments.Read("event_loop.turns/0") - turns >= Turns
                && instruments.Read("event_loop.events/0") - events >= Turns;
        });
    }

    [Fact]
    public async Task Counts_go_on_when_loops_end_and_others_start()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EventLoopCount = 1);
        using var instruments = new LoopInstruments(transport.Services);
        var turns = 0.0;
        var busy = 0.0;
        for (var i = 0; i < 3; i++)
        {
            var listener = await transport.BindAsync();
            Assert.InRange(instruments.Read("event_loop.turns/0"), turns, long.MaxValue);
            Assert.InRange(instruments.Read("event_loop.busy_time/0"), busy, double.MaxValue);
            var pair = await transport.ConnectAsync(listener);
            await Echo.RoundTripAsync(pair.Client, pair.Connection);
            await pair.DisposeAsync();
            await listener.DisposeAsync().DefaultTimeout();

            var before = turns;
            turns = instruments.Read("event_loop.turns/0");
            busy = instruments.Read("event_loop.busy_time/0");
            Assert.True(turns > before);
        }

        // A loop that has ended is not busy.
        Assert.Equal(busy, instruments.Read("event_loop.busy_time/0"));
    }

    [Fact]
    public async Task A_loop_is_busy_while_work_keeps_it_and_not_while_it_waits()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        using var instruments = new LoopInstruments(subject.Services);

        // From the next turn on it is measured.
        await subject.RunAsync(static () => { });
        await subject.RunAsync(static () => { });
        var opened = new WorkItem(static () => { });
        var kept = await KeepAsync(subject, opened);

        // While the work still runs.
        var begin = Stopwatch.GetTimestamp();
        var before = instruments.Read("event_loop.busy_time/0");
        var start = Stopwatch.GetTimestamp();
        await Poll.UntilAsync(() => Stopwatch.GetElapsedTime(start) > TimeSpan.FromMilliseconds(100));
        var kept100 = instruments.Read("event_loop.busy_time/0") - before;
        Assert.InRange(kept100, 0.099, Stopwatch.GetElapsedTime(begin).TotalSeconds + 0.001);

        opened.Execute();
        await kept.Ran.DefaultTimeout();

        // It waits in the end, and then the time stands still.
        await Poll.UntilAsync(() =>
        {
            var first = instruments.Read("event_loop.busy_time/0");
            return instruments.Read("event_loop.busy_time/0") == first;
        });
    }

    [Fact]
    public async Task The_longest_turn_is_that_since_the_last_observation_or_the_one_of_now()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        using var instruments = new LoopInstruments(subject.Services);
        await subject.RunAsync(static () => { });
        await subject.RunAsync(static () => { });
        var opened = new WorkItem(static () => { });
        var kept = await KeepAsync(subject, opened);

        // While it still runs, each observation gets it.
        await Poll.UntilAsync(() => instruments.Read("event_loop.longest_turn/0") > 0.1);
        Assert.InRange(instruments.Read("event_loop.longest_turn/0"), 0.1, double.MaxValue);

        opened.Execute();
        await kept.Ran.DefaultTimeout();
        await Poll.UntilAsync(() => subject.Loop.Counters.IsWaiting);

        // One observation gets it when it has ended, and the next one does not.
        Assert.InRange(instruments.Read("event_loop.longest_turn/0"), 0.1, double.MaxValue);
        Assert.Equal(0, instruments.Read("event_loop.longest_turn/0"));
    }

    [Fact]
    public async Task A_lent_loop_is_busy_in_its_turns_only()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        using var instruments = new LoopInstruments(subject.Services);
        await subject.RunAsync(static () => { });
        await subject.RunAsync(static () => { });
        double[] times = [];
        var counters = subject.Loop.Counters;

        // The loop's thread plays both parts.
        await subject.RunAsync(() =>
        {
            subject.Loop.BeginLoan();
            var lent = counters.Read().Busy;
            var later = ReadLater();
            subject.Loop.RunTurnOnPool();
            var turned = counters.Read().Busy;
            var turnedLater = ReadLater();
            subject.Loop.EndLoan();
            TimeSpan[] all = [lent, later, turned, turnedLater, ReadLater()];
            times = Array.ConvertAll(all, static time => time.TotalSeconds);
        });

        Assert.Equal(times[0], times[1]);
        Assert.InRange(times[2], times[1], double.MaxValue);
        Assert.Equal(times[2], times[3]);
        Assert.InRange(times[4], times[3] + 0.01, double.MaxValue);

        TimeSpan ReadLater()
        {
            Thread.Sleep(10);
            return counters.Read().Busy;
        }
    }

    [Fact]
    public async Task Without_a_listener_no_time_is_measured()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 10; i++)
        {
            await subject.RunAsync(static () => { });
        }

        var totals = subject.Loop.Counters.Read();
        Assert.Equal(TimeSpan.Zero, totals.Busy);
        Assert.InRange(totals.Turns, 9, int.MaxValue);

        // A listener that has gone leaves no time running.
        using (new LoopInstruments(subject.Services))
        {
            await subject.RunAsync(static () => { });
        }

        await subject.RunAsync(static () => { });
        await subject.RunAsync(static () => { });
        totals = subject.Loop.Counters.Read();
        Assert.Equal(totals.Busy, subject.Loop.Counters.Read().Busy);
    }

    /// <summary>Posts work that keeps the loop until other work has run. It has begun.</summary>
    private static async Task<WorkItem> KeepAsync(LoopSubject subject, WorkItem until)
    {
        var entered = new WorkItem(static () => { });
        var kept = new WorkItem(() =>
        {
            entered.Execute();
            until.Wait();
        });
        subject.Loop.Post(kept);
        await entered.Ran.DefaultTimeout();
        return kept;
    }
}
