using System.Text.Json;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The sample that Prometheus watches, with Debian's Prometheus and its promtool.</summary>
[Trait("Poller", "epoll")]
[Slow]
public sealed partial class ObservabilitySampleTests
{
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_scrape_passes_the_check_of_Prometheus()
    {
        await using var sample = await StartAsync();

        using var scrape = new TemporaryFile(await GetAsync(sample, "/metrics"));
        var check = await ToolProcess.RunAsync("sh", "-c", $"promtool check metrics < {scrape.Path}");

        SkipWithoutPrometheus();
        Assert.Equal((0, "", ""), (check.ExitCode, check.Output, check.Error));
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_alerts_are_valid_and_pass_their_tests()
    {
        (await ToolProcess.RunAsync("promtool", "check", "rules", Prometheus.PathOf("alerts.yml"))).AssertSuccess();
        (await ToolProcess.RunAsync("promtool", "check", "config", Prometheus.PathOf("prometheus.yml")))
            .AssertSuccess();
        var tests = await ToolProcess.RunAsync("promtool", "test", "rules", Prometheus.PathOf("alerts.test.yml"));
        tests.AssertSuccess();

        // Each alert is seen silent and firing.
        var written = await File.ReadAllTextAsync(Prometheus.PathOf("alerts.test.yml"), HangGuard.Token);
        var alerts = await File.ReadAllTextAsync(Prometheus.PathOf("alerts.yml"), HangGuard.Token);
        foreach (Match alert in Alert().Matches(alerts))
        {
            var name = alert.Groups[1].Value;
            Assert.Contains($"alertname: {name} }}", written, StringComparison.Ordinal);
            Assert.Contains($"alertname: {name}\n        exp_alerts:", written, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = HangGuard.BulkMilliseconds)]
    public async Task Prometheus_has_data_for_each_panel_of_the_dashboard()
    {
        SkipWithoutPrometheus();
        await using var sample = await StartAsync();
        await using var prometheus = await Prometheus.StartAsync(sample.Port);
        var names = NamesOf(await GetAsync(sample, "/metrics"));
        var expressions = ReadDashboard();

        Assert.All(expressions.SelectMany(MetricsOf), metric => Assert.Contains(metric, names));
        foreach (var expression in expressions)
        {
            await prometheus.UntilAsync(expression);
        }
    }

    [Fact(Timeout = HangGuard.BulkMilliseconds)]
    public async Task Prometheus_evaluates_each_alert_over_metrics_of_the_scrape()
    {
        SkipWithoutPrometheus();
        await using var sample = await StartAsync();
        await using var prometheus = await Prometheus.StartAsync(sample.Port);
        var names = NamesOf(await GetAsync(sample, "/metrics"));

        JsonElement[] rules;
        while ((rules = await ReadRulesAsync(prometheus)).Any(static rule => Text(rule, "health") == "unknown"))
        {
            await Task.Delay(50, HangGuard.Token);
        }

        Assert.All(rules, static rule => Assert.Equal("ok", Text(rule, "health")));
        Assert.All(
            rules.SelectMany(static rule => MetricsOf(Text(rule, "query"))), metric => Assert.Contains(metric, names));
    }

    /// <summary>The sample after requests, one of which has kept its loop.</summary>
    private static async Task<SampleProcess> StartAsync()
    {
        var sample = await SampleProcess.StartAsync("Observability");
        using var client = LoopbackHttpClient.Create(new Uri($"http://{sample.EndPoint}"), ClientProtocol.Http1);
        Assert.Equal("Hello, World!", await client.GetStringAsync("/", HangGuard.Token));

        // The first request of a connection may run on the thread on which Kestrel started it, and then keeps no loop.
        // The duration is recorded when the handler has returned its thread, after its response.
        do
        {
            await client.GetStringAsync("/block?milliseconds=100", HangGuard.Token);
        }
        while (!(await GetAsync(sample, "/metrics")).Contains("event_loop_overdue_callback_duration_seconds_count"));

        return sample;
    }

    private static async Task<string> GetAsync(SampleProcess sample, string path)
    {
        using var client = LoopbackHttpClient.Create(new Uri($"http://{sample.EndPoint}"), ClientProtocol.Http1);
        return await client.GetStringAsync(path, HangGuard.Token);
    }

    private static async Task<JsonElement[]> ReadRulesAsync(Prometheus prometheus)
        => [.. (await prometheus.GetAsync("rules")).GetProperty("groups").EnumerateArray()
            .SelectMany(static group => group.GetProperty("rules").EnumerateArray())];

    /// <summary>What the panels ask for, with Grafana's variables filled in.</summary>
    private static string[] ReadDashboard()
    {
        var dashboard = JsonElement.Parse(File.ReadAllText(Prometheus.PathOf("dashboard.json")));
        string[] expressions = [.. dashboard.GetProperty("panels").EnumerateArray()
            .Where(static panel => Text(panel, "type") != "row")
            .SelectMany(static panel => panel.GetProperty("targets").EnumerateArray())
            .Select(static target => Text(target, "expr")
                .Replace("$__rate_interval", "1m", StringComparison.Ordinal)
                .Replace("$instance", ".*", StringComparison.Ordinal))];
        Assert.InRange(expressions.Length, 20, int.MaxValue);
        Assert.DoesNotContain(expressions, static expression => expression.Contains('$'));
        return expressions;
    }

    private static string[] NamesOf(string scrape)
        => [.. scrape.Split('\n').Where(static line => line is [not '#', ..])
            .Select(static line => line[..line.AsSpan().IndexOfAny('{', ' ')]).Distinct()];

    /// <summary>The metrics of an expression: without its labels.</summary>
    private static IEnumerable<string> MetricsOf(string expression)
        => Metric().Matches(Labels().Replace(expression, "")).Select(static match => match.Value);

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static void SkipWithoutPrometheus()
        => Assert.SkipUnless(ToolProcess.IsInstalled("prometheus"), "prometheus is not installed");

    [GeneratedRegex(@"alert: (\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex(@"\{[^}]*\}|\b(by|without) ?\([^)]*\)")]
    private static partial Regex Labels();

    [GeneratedRegex(@"\b(event_loop|http_server|kestrel)_\w+")]
    private static partial Regex Metric();
}
