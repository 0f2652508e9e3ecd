using System.Net;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>nginx or haproxy, with a configuration in a directory of its own, which goes with it.</summary>
internal sealed class ConfiguredProxy : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("proxy-");
    private ToolProcess? _process;

    private ConfiguredProxy()
    {
    }

    /// <param name="site">What belongs into nginx's <c>http</c> block.</param>
    /// <param name="endPoint">Where it listens then.</param>
    public static Task<ConfiguredProxy> StartNginxAsync(string site, EndPoint endPoint)
        => StartAsync(
            "nginx",
            directory => $$"""
                daemon off;
                master_process off;
                pid {{directory}}/nginx.pid;
                error_log stderr error;
                events {
                  worker_connections 256;
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
                """,
            static (directory, file) => ["-e", "stderr", "-p", directory, "-c", file],
            endPoint);

    /// <param name="configuration">haproxy's whole configuration.</param>
    /// <param name="endPoint">Where it listens then.</param>
    public static Task<ConfiguredProxy> StartHaproxyAsync(string configuration, EndPoint endPoint)
        => StartAsync("haproxy", _ => configuration, static (_, file) => ["-db", "-f", file], endPoint);

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _directory.Delete(recursive: true);
    }

    private static async Task<ConfiguredProxy> StartAsync(
        string tool, Func<string, string> configure, Func<string, string, string[]> arguments, EndPoint endPoint)
    {
        var proxy = new ConfiguredProxy();
        try
        {
            await proxy.RunAsync(tool, configure, arguments, endPoint);
            return proxy;
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }

    private async Task RunAsync(
        string tool, Func<string, string> configure, Func<string, string, string[]> arguments, EndPoint endPoint)
    {
        var directory = _directory.FullName;
        var file = Path.Combine(directory, "proxy.conf");
        await File.WriteAllTextAsync(file, configure(directory), HangGuard.Token);
        _process = ToolProcess.Start(tool, arguments(directory, file));
        while (!await RawClient.CanConnectAsync(endPoint))
        {
            Assert.False(_process.HasExited, $"{tool} ended: {_process.Error}");
            await Task.Delay(20, HangGuard.Token);
        }
    }
}
