using System.Globalization;
using System.Net;
using System.Text.Json;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>A Prometheus with the configuration of the sample, which scrapes another port and more often.</summary>
internal sealed class Prometheus : IAsyncDisposable
{
    private readonly DirectoryInfo _directory;
    private readonly TemporaryFile _configuration;
    private readonly ToolProcess _process;
    private readonly HttpClient _client;

    private Prometheus(int target)
    {
        var port = FreePort.Next();
        _directory = Directory.CreateTempSubdirectory("prometheus-");
        _configuration = new TemporaryFile(
            File.ReadAllText(PathOf("prometheus.yml"))
                .Replace("localhost:5000", $"127.0.0.1:{target}", StringComparison.Ordinal)
                .Replace("alerts.yml", PathOf("alerts.yml"), StringComparison.Ordinal)
                .Replace("interval: 5s", "interval: 1s", StringComparison.Ordinal));
        _process = ToolProcess.Start(
            "prometheus",
            $"--config.file={_configuration.Path}",
            $"--storage.tsdb.path={_directory.FullName}",
            $"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn");
        _client = new HttpClient(LoopbackHttpClient.CreateHandler())
        {
            BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/api/v1/")),
        };
    }

    /// <summary>A file of the sample.</summary>
    public static string PathOf(string file) => Repository.PathOf("samples", "Observability", file);

    /// <summary>Starts it and waits until it has scraped the target.</summary>
    public static async Task<Prometheus> StartAsync(int target)
    {
        var prometheus = new Prometheus(target);
        try
        {
            await prometheus.UntilAsync("up == 1");
            return prometheus;
        }
        catch
        {
            await prometheus.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until an expression has a result.</summary>
    public async Task UntilAsync(string expression)
    {
        while (!await HasResultAsync(expression))
        {
            Assert.False(_process.HasExited, $"prometheus has ended: {_process.Error}");
            await Task.Delay(50, HangGuard.Token);
        }
    }

    /// <summary>An answer of the HTTP API.</summary>
    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await _client.GetAsync(path, HangGuard.Token);
        var text = await response.Content.ReadAsStringAsync(HangGuard.Token);
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
        {
            throw new HttpRequestException("Prometheus still reads its storage.");
        }

        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return JsonElement.Parse(text).GetProperty("data");
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _process.DisposeAsync();
        _configuration.Dispose();
        _directory.Delete(recursive: true);
    }

    private async Task<bool> HasResultAsync(string expression)
    {
        try
        {
            var data = await GetAsync($"query?query={Uri.EscapeDataString(expression)}");
            return data.GetProperty("result").GetArrayLength() > 0;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
