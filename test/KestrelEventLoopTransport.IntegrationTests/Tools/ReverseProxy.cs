using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// nginx or haproxy in front of a server, with its own configuration in its own directory.
/// It listens on a Unix socket there: no port that another process could take in between.
/// </summary>
internal sealed class ReverseProxy : IAsyncDisposable
{
    private readonly DirectoryInfo _directory;
    private readonly ToolProcess _process;
    private readonly string _socketPath;

    private ReverseProxy(DirectoryInfo directory, ToolProcess process, string socketPath)
    {
        _directory = directory;
        _process = process;
        _socketPath = socketPath;
    }

    /// <param name="upstream">What nginx's <c>server</c> takes: an IP end point, or <c>unix:</c> and a path.</param>
    public static Task<ReverseProxy> StartNginxAsync(string upstream)
        => StartAsync(
            "nginx",
            (directory, socket) => $$"""
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
                  upstream app {
                    server {{upstream}};
                    keepalive 16;
                  }
                  server {
                    listen unix:{{socket}};
                    client_max_body_size 0;
                    location / {
                      proxy_pass http://app;
                      proxy_http_version 1.1;
                      proxy_set_header Connection "";
                    }
                  }
                }
                """,
            (directory, configuration) => ["-e", "stderr", "-p", directory, "-c", configuration]);

    /// <param name="upstream">The server behind.</param>
    /// <param name="serverOptions">More of haproxy's server options, such as <c>proto h2</c>.</param>
    public static Task<ReverseProxy> StartHaproxyAsync(IPEndPoint upstream, string serverOptions)
        => StartAsync(
            "haproxy",
            (_, socket) => $"""
                global
                  maxconn 256
                defaults
                  mode http
                  timeout connect 60s
                  timeout client 60s
                  timeout server 60s
                  http-reuse always
                frontend front
                  bind unix@{socket}
                  default_backend app
                backend app
                  server app {upstream} {serverOptions}

                """,
            (_, configuration) => ["-db", "-f", configuration]);

    public HttpClient CreateClient() => LoopbackHttpClient.CreateForUnixSocket(_socketPath);

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    private static async Task<ReverseProxy> StartAsync(
        string tool,
        Func<string, string, string> writeConfiguration,
        Func<string, string, string[]> arguments)
    {
        var directory = Directory.CreateTempSubdirectory("proxy-");
        var socketPath = Path.Combine(directory.FullName, "front.sock");
        var configuration = Path.Combine(directory.FullName, "proxy.conf");
        await File.WriteAllTextAsync(
            configuration, writeConfiguration(directory.FullName, socketPath), HangGuard.Token);
        var process = ToolProcess.Start(tool, arguments(directory.FullName, configuration));
        var proxy = new ReverseProxy(directory, process, socketPath);
        while (!await RawClient.CanConnectAsync(new UnixDomainSocketEndPoint(socketPath)))
        {
            Assert.False(process.HasExited, $"{tool} ended: {process.Error}");
            await Task.Delay(20, HangGuard.Token);
        }

        return proxy;
    }
}
