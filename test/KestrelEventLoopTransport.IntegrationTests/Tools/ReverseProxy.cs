using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// nginx or haproxy in front of a server. It listens on a Unix socket: no port that another process could take in
/// between.
/// </summary>
internal sealed class ReverseProxy : IAsyncDisposable
{
    private readonly SocketPath _socket = new();
    private ConfiguredProxy? _proxy;

    private ReverseProxy()
    {
    }

    /// <param name="upstream">What nginx's <c>server</c> takes: an IP end point, or <c>unix:</c> and a path.</param>
    public static Task<ReverseProxy> StartNginxAsync(string upstream)
        => StartAsync((path, endPoint) => ConfiguredProxy.StartNginxAsync(
            $$"""
            upstream app {
              server {{upstream}};
              keepalive 16;
            }
            server {
              listen unix:{{path}};
              client_max_body_size 0;
              location / {
                proxy_pass http://app;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
              }
            }
            """,
            endPoint));

    /// <param name="upstream">The server behind.</param>
    /// <param name="serverOptions">More of haproxy's server options, such as <c>proto h2</c>.</param>
    public static Task<ReverseProxy> StartHaproxyAsync(IPEndPoint upstream, string serverOptions)
        => StartAsync((path, endPoint) => ConfiguredProxy.StartHaproxyAsync(
            $"""
            global
              maxconn 256
            defaults
              mode http
              timeout connect 60s
              timeout client 60s
              timeout server 60s
              http-reuse always
            frontend front
              bind unix@{path}
              default_backend app
            backend app
              server app {upstream} {serverOptions}

            """,
            endPoint));

    public HttpClient CreateClient() => LoopbackHttpClient.CreateForUnixSocket(_socket.Path);

    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync();
        }

        _socket.Dispose();
    }

    private static async Task<ReverseProxy> StartAsync(Func<string, EndPoint, Task<ConfiguredProxy>> start)
    {
        var proxy = new ReverseProxy();
        try
        {
            var path = proxy._socket.Path;
            proxy._proxy = await start(path, new UnixDomainSocketEndPoint(path));
            return proxy;
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }
}
