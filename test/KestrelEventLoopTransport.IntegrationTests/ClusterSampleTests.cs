using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The sample Cluster: three silos of Orleans and a client of them with Redis, behind HAProxy.</summary>
[Trait("Poller", "epoll")]
[Slow]
public sealed partial class ClusterSampleTests
{
    private const int LongMilliseconds = 900_000;
    private const int WrkConnections = 16;

    [Fact(Timeout = LongMilliseconds)]
    public async Task No_deposit_is_lost_when_a_silo_is_killed_and_all_are_restarted()
    {
        await using var cluster = await ClusterProcess.StartAsync();
        var load = new DepositLoad(cluster.Url, workers: 8, pause: TimeSpan.FromMilliseconds(50));
        await load.UntilMoreAsync(200);
        Assert.Equal(["front", "silo1", "silo2", "silo3"], load.Servers.Order());

        var beforeKill = Stopwatch.GetTimestamp();
        cluster.Kill(2);
        var killed = (beforeKill, Stopwatch.GetTimestamp());
        await cluster.UntilStartedAsync(2, times: 2);
        await load.UntilMoreAsync(200);
        await cluster.RestartAsync();
        var before = await cluster.ReadStatisticAsync("front", "hrsp_2xx");
        await load.UntilMoreAsync(200);

        // The client found the gateways again.
        Assert.NotEqual(before, await cluster.ReadStatisticAsync("front", "hrsp_2xx"));
        Assert.Equal(1, cluster.CountStarts("front"));
        Assert.All([1, 2, 3], silo => Assert.Equal(1, cluster.CountAnnouncedStops(silo)));

        await AssertAsync(cluster, load, killed);
    }

    // By hand: CONTRIBUTING.md.
    [Fact(Explicit = true, Timeout = LongMilliseconds)]
    public async Task No_deposit_is_lost_in_ten_minutes_with_a_killed_silo_and_three_rolling_restarts()
    {
        var period = TimeSpan.FromMinutes(2);
        await using var cluster = await ClusterProcess.StartAsync();
        var load = new DepositLoad(cluster.Url, workers: 4, pause: TimeSpan.FromMilliseconds(100));
        string[] options = ["-t2", $"-c{WrkConnections}", "-d1h", "--timeout", "60s", "--latency"];
        await using var wrk = ToolProcess.Start(
            "wrk", [.. options, "-s", Repository.PathOf("samples", "Cluster", "load.lua"), $"{cluster.Url}"]);
        for (var restart = 0; restart < 3; restart++)
        {
            await WaitAsync(period, cluster.RestartAsync());
        }

        var beforeKill = Stopwatch.GetTimestamp();
        cluster.Kill(2);
        var killed = (beforeKill, Stopwatch.GetTimestamp());
        await WaitAsync(period, cluster.UntilStartedAsync(2, times: 5));
        await Task.Delay(period, HangGuard.Token);

        // wrk reports when it is interrupted.
        var output = (await wrk.StopAsync("INT")).AssertSuccess().Output;
        TestContext.Current.TestOutputHelper!.WriteLine(output);
        Assert.DoesNotContain("Socket errors", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Non-2xx", output, StringComparison.Ordinal);
        var answered = int.Parse(Requests().Match(output).Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        Assert.InRange(await load.SumOfWrkAsync(), answered, answered + WrkConnections);
        Assert.Equal(1, cluster.CountStarts("front"));
        await AssertAsync(cluster, load, killed);
    }

    [Fact(Timeout = HangGuard.BulkMilliseconds)]
    public async Task Without_Redis_it_counts_a_deposit_once_that_is_sent_again()
    {
        await using var cluster = await ClusterProcess.StartAsync("--no-redis");
        using var client = LoopbackHttpClient.Create(cluster.Url, ClientProtocol.Http1);

        for (var times = 0; times < 6; times++)
        {
            Assert.Contains("\"balance\":5,", await DepositAsync("first"));
        }

        Assert.Contains("\"balance\":10,", await DepositAsync("second"));
        using var withoutKey = await client.PostAsync("/accounts/a/deposit?amount=5", null, HangGuard.Token);
        Assert.Equal(HttpStatusCode.BadRequest, withoutKey.StatusCode);

        // The answer is for HAProxy only.
        using var health = await client.GetAsync("/health", HangGuard.Token);
        Assert.Equal(HttpStatusCode.NotFound, health.StatusCode);

        async Task<string> DepositAsync(string key)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/accounts/a/deposit?amount=5");
            request.Headers.Add("Idempotency-Key", key);
            using var answer = await client.SendAsync(request, HangGuard.Token);
            return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(HangGuard.Token);
        }
    }

    private static Task WaitAsync(TimeSpan period, Task work)
        => Task.WhenAll(Task.Delay(period, HangGuard.Token), work);

    /// <summary>Nothing has failed but what was under way when the silo was killed.</summary>
    private static async Task AssertAsync(ClusterProcess cluster, DepositLoad load, (long From, long To) killed)
    {
        await load.StopAsync();
        var retries = await cluster.ReadStatisticAsync("BACKEND", "wretr");
        TestContext.Current.TestOutputHelper!.WriteLine($"{load}; HAProxy has sent {retries} again");
        Assert.All(load.Failures, failure =>
            Assert.True(failure.Started <= killed.To && killed.From <= failure.Ended, failure.Reason));
        await load.AssertBalancesAsync();
    }

    [GeneratedRegex(@"(\d+) requests in")]
    private static partial Regex Requests();
}
