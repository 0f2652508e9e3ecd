using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>nginx or haproxy with the configuration of a recipe, listening on a port.</summary>
internal sealed class ConfiguredProxy : IAsyncDisposable
{
    private readonly TemporaryFile _configuration;
    private readonly ToolProcess _process;
    private readonly DirectoryInfo _directory;

    private ConfiguredProxy(TemporaryFile configuration, ToolProcess process, DirectoryInfo directory)
    {
        _configuration = configuration;
        _process = process;
        _directory = directory;
    }

    /// <param name="site">What belongs into nginx's <c>http</c> block.</param>
    /// <param name="port">The port on which it listens.</param>
    public static Task<ConfiguredProxy> StartNginxAsync(string site, int port)
    {
        var directory = Directory.CreateTempSubdirectory("recipe-");
        var configuration = $$"""
            daemon off;
            master_process off;
            pid {{directory}}/nginx.pid;
            error_log stderr error;
            events {
            }
            http {
              access_log off;
              client_body_temp_path {{directory}}/body;
              proxy_temp_path {{directory}}/proxy;
              fastcgi_temp_path {{directory}}/fastcgi;
              uwsgi_temp_path {{directory}}/uwsgi;
              scgi_temp_path {{directory}}/scgi;
              {{site}}
            }
            """;
        return StartAsync(
            "nginx", configuration, port, file => ["-e", "stderr", "-p", directory.FullName, "-c", file], directory);
    }

    public static Task<ConfiguredProxy> StartHaproxyAsync(string configuration, int port)
        => StartAsync(
            "haproxy",
            configuration,
            port,
            static file => ["-db", "-f", file],
            Directory.CreateTempSubdirectory("recipe-"));

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _configuration.Dispose();
        _directory.Delete(recursive: true);
    }

    private static async Task<ConfiguredProxy> StartAsync(
        string tool, string configuration, int port, Func<string, string[]> arguments, DirectoryInfo directory)
    {
        Assert.SkipUnless(ToolProcess.IsInstalled(tool), $"{tool} is not installed");
        var file = new TemporaryFile(configuration);
        var process = ToolProcess.Start(tool, arguments(file.Path));
        while (!await RawClient.CanConnectAsync(new IPEndPoint(IPAddress.Loopback, port)))
        {
            Assert.False(process.HasExited, $"{tool} ended: {process.Error}");
            await Task.Delay(20, HangGuard.Token);
        }

        return new ConfiguredProxy(file, process, directory);
    }
}
