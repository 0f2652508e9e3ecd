namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>SignalR's client of node, installed by npm into a directory of its own, once for a class.</summary>
public sealed class NodeModules : IAsyncLifetime
{
    private static readonly string[] _packages =
        ["@microsoft/signalr@10.0.11", "@microsoft/signalr-protocol-msgpack@10.0.11"];

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kelt");
    private string? _missing;

    /// <summary>Where node finds the packages. Skips the test if they could not be installed.</summary>
    public string Path
    {
        get
        {
            Assert.SkipWhen(_missing is not null, $"npm did not install {string.Join(' ', _packages)}: {_missing}");
            return _directory.FullName;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (!ToolProcess.IsInstalled("npm") || !ToolProcess.IsInstalled("node"))
        {
            _missing = "node or npm is not installed";
            return;
        }

        try
        {
            const string Options = "--ignore-scripts --no-audit --no-fund --loglevel=error";
            var result = await ToolProcess.RunWithinAsync(
                TimeSpan.FromSeconds(60),
                "npm",
                ["install", "--prefix", _directory.FullName, .. Options.Split(' '), .. _packages]);
            _missing = result.ExitCode == 0 ? null : result.Error;
        }
        catch (Exception exception) when (exception is Xunit.Sdk.XunitException)
        {
            _missing = exception.Message;
        }
    }

    public ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        return default;
    }
}
