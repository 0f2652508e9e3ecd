using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>The sample Cluster as its script starts it, on an address of its own.</summary>
internal sealed class ClusterProcess : IAsyncDisposable
{
    private const string Restarted = "All silos have been restarted";

    private readonly ToolProcess _process;
    private readonly HttpClient _client = new(LoopbackHttpClient.CreateHandler());

    private ClusterProcess(ToolProcess process, IPAddress address)
    {
        _process = process;
        Address = address;
    }

    public IPAddress Address { get; }

    public Uri Url => new($"http://{Address}:5090");

    /// <summary>Starts it and waits until HAProxy has found all silos.</summary>
    public static async Task<ClusterProcess> StartAsync(params IEnumerable<string> arguments)
    {
        foreach (var tool in new[] { "curl", "haproxy", "redis-server" })
        {
            Assert.SkipUnless(ToolProcess.IsInstalled(tool), $"{tool} is not installed");
        }

        byte[] parts = [127, .. Enumerable.Range(0, 3).Select(static _ => (byte)Random.Shared.Next(1, 255))];
        var address = new IPAddress(parts);
        var cluster = new ClusterProcess(
            ToolProcess.Start(
                "env",
                [
                    $"CLUSTER_ADDRESS={address}",
                    $"CONFIGURATION={new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name}",
                    Repository.PathOf("samples", "Cluster", "run.sh"),
                    "--no-build",
                    .. arguments,
                ]),
            address);
        try
        {
            await cluster.UntilAsync(() => cluster._process.Output.Contains("Ready: ", StringComparison.Ordinal));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Kills the process of a silo. It has no time for anything.</summary>
    public void Kill(int silo)
    {
        var last = Regex.Matches(_process.Output, $@"silo{silo} is process (\d+)")[^1];
        using var process = Process.GetProcessById(int.Parse(last.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        process.Kill();
    }

    /// <summary>Waits until a silo has been started so often, and HAProxy sends it requests.</summary>
    public async Task UntilStartedAsync(int silo, int times)
    {
        await UntilAsync(() => Count($"silo{silo} listens on ") >= times);

        // The silo's endpoint, its gateway and Kestrel's: all are on the loops.
        var endpoints = $"{Address}:{11110 + silo} and {Address}:{30000 + silo} and {Address}:{5090 + silo}";
        Assert.Contains($"silo{silo} listens on {endpoints}\n", _process.Output);
        while (await ReadStatisticAsync($"silo{silo}", "status") is not "UP")
        {
            await Task.Delay(50, HangGuard.Token);
        }
    }

    /// <summary>Restarts the silos, one after the other, and waits until all are there again.</summary>
    public async Task RestartAsync()
    {
        var before = Count(Restarted);
        var id = _process.Id.ToString(CultureInfo.InvariantCulture);
        (await ToolProcess.RunAsync("kill", "-HUP", id)).AssertSuccess();
        await UntilAsync(() => Count(Restarted) > before);
    }

    /// <summary>How often a server has been started.</summary>
    public int CountStarts(string server) => Count($"{server} is process ");

    /// <summary>How often a silo has told HAProxy that it stops, before it did.</summary>
    public int CountAnnouncedStops(int silo)
        => Regex.Count(_process.Error, $"Server accounts/silo{silo} is DOWN, reason: Layer7 wrong status, code: 503");

    /// <summary>What HAProxy's page says of a server, or of all of them (<c>BACKEND</c>).</summary>
    public async Task<string> ReadStatisticAsync(string server, string column)
    {
        var text = await _client.GetStringAsync($"http://{Address}:5094/;csv", HangGuard.Token);
        var lines = text.Split('\n');
        var index = Array.IndexOf(lines[0].TrimStart('#', ' ').Split(','), column);
        return lines.Single(line => line.StartsWith($"accounts,{server},", StringComparison.Ordinal)).Split(',')[index];
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await using (_process)
        {
            Assert.False(_process.HasExited, ToString());

            // Its children and its files go with it.
            (await _process.StopAsync()).AssertSuccess();
        }
    }

    public override string ToString() => $"The cluster: {_process.Output} {_process.Error}";

    private async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            Assert.False(_process.HasExited, ToString());
            await Task.Delay(50, HangGuard.Token);
        }
    }

    private int Count(string text) => Regex.Count(_process.Output, Regex.Escape(text));
}
