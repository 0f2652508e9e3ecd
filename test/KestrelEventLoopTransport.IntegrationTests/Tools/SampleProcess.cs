using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>A sample of the repository, in a process of its own, listening on a free port.</summary>
internal sealed partial class SampleProcess : IAsyncDisposable
{
    private readonly ToolProcess _process;

    private SampleProcess(ToolProcess process) => _process = process;

    public int Port { get; private set; }

    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

    public static string PathOf(string sample)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        return Repository.PathOf("samples", sample, "bin", here.Parent!.Name, here.Name, $"{sample}.dll");
    }

    public static async Task<SampleProcess> StartAsync(string sample, params IEnumerable<string> arguments)
    {
        var process = new SampleProcess(ToolProcess.Start("dotnet", [PathOf(sample), "--port", "0", .. arguments]));
        var match = await process._process.UntilWrittenAsync(Listening());
        process.Port = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        return process;
    }

    public async ValueTask DisposeAsync()
    {
        var (running, output, error) = (!_process.HasExited, _process.Output, _process.Error);
        await _process.DisposeAsync();
        Assert.True(running, $"The sample has ended: {output} {error}");
        Assert.DoesNotContain("fail:", output, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"Listening on \S+:(\d+)\s")]
    private static partial Regex Listening();
}
