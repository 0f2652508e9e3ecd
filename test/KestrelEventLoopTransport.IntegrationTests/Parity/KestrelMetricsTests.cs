namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>
/// Kestrel's meters and its event source, and those of ASP.NET Core: the same script on either transport, and all that
/// is reported of it compared.
/// </summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "15")]
public sealed class KestrelMetricsTests
{
    public static TheoryData<ApplicationScheduling, string> Scripts => new(
        from scheduling in EveryScheduling.Values
        from script in KestrelScripts.All.Keys
        where script is not KestrelScripts.Idle || scheduling is ApplicationScheduling.Adaptive
        select (scheduling, script));

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Scripts))]
    public async Task Kestrel_reports_what_it_reports_on_stock(ApplicationScheduling scheduling, string script)
    {
        var stock = await RunAsync(scheduling, stock: true, KestrelScripts.All[script]);
        var ours = await RunAsync(scheduling, StockTransport.IsUnderTest, KestrelScripts.All[script]);

        Assert.Equal("", Difference(stock, ours));
        Assert.Contains(
            ours, line => line.Contains(KestrelScripts.All[script].Reported, StringComparison.Ordinal));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task The_counters_of_the_event_source_count_as_on_stock(ApplicationScheduling scheduling)
    {
        var stock = await CountAsync(scheduling, stock: true);
        var ours = await CountAsync(scheduling, StockTransport.IsUnderTest);

        Assert.Equal(stock, ours);
        Assert.Contains("current-connections=4", ours[0], StringComparison.Ordinal);
        Assert.Contains("current-upgraded-requests=1", ours[0], StringComparison.Ordinal);
        Assert.Contains("total-tls-handshakes=2", ours[0], StringComparison.Ordinal);
        Assert.Contains("failed-tls-handshakes=1", ours[0], StringComparison.Ordinal);
        Assert.Contains("current-connections=0", ours[1], StringComparison.Ordinal);
    }

    private static async Task<string[]> RunAsync(ApplicationScheduling scheduling, bool stock, KestrelScript script)
    {
        await using var server = await ScriptedKestrel.StartAsync(scheduling, stock, script.Configure);
        await script.RunAsync(server);
        await server.UntilOpenAsync(0);
        await server.StopAsync();
        return server.Read();
    }

    /// <summary>The lines that one of them lacks, each as often as it is lacking.</summary>
    private static string Difference(string[] stock, string[] ours)
    {
        var missing = stock.ToList();
        var added = ours.Where(line => !missing.Remove(line)).ToList();
        return string.Join(
            '\n', missing.Select(static line => $"stock: {line}").Concat(added.Select(static line => $"ours: {line}")));
    }

    /// <summary>With connections open, and when they have ended: what has come to the totals since the start.</summary>
    private static async Task<string[]> CountAsync(ApplicationScheduling scheduling, bool stock)
    {
        await using var server = await ScriptedKestrel.StartAsync(scheduling, stock);
        var before = await server.Reports.ReadCountersAsync();
        string open;
        using (var raw = await server.ConnectAsync("echo"))
        using (var upgraded = await KestrelScripts.UpgradeAsync(server))
        using (var idle = await RawClient.ConnectAsync(server.UnixSocket))
        using (var tls = await RawClient.ConnectAsync(server.EndPointOf("https"), tls: true))
        {
            using (var failed = await server.ConnectAsync("https"))
            {
                await failed.SendAsync("GET / HTTP/1.1\r\n\r\n");
                await failed.ReceiveUntilGoneAsync();
            }

            await Echo.RoundTripAsync(raw);
            await KestrelScripts.GetAsync(idle);
            await server.UntilOpenAsync(4);
            open = await ReadAsync();
        }

        await server.UntilOpenAsync(0);
        return [open, await ReadAsync()];

        async Task<string> ReadAsync()
        {
            var now = await server.Reports.ReadCountersAsync();
            return string.Join(' ', now.OrderBy(static counter => counter.Key, StringComparer.Ordinal)
                .Select(counter => $"{counter.Key}={counter.Value - before[counter.Key]}"));
        }
    }
}
