using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// haproxy or nginx in front of a server, for raw connections, on a port and a Unix socket of its own.
/// </summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("proxy-");
    private readonly int _port = FreePort.Next();
    private ToolProcess? _process;

    private TcpProxy()
    {
    }

    public IPEndPoint IPv4 => new(IPAddress.Loopback, _port);

    public IPEndPoint IPv6 => new(IPAddress.IPv6Loopback, _port);

    public UnixDomainSocketEndPoint Unix => new(Path.Combine(_directory.FullName, "front.sock"));

    /// <param name="upstream">The server.</param>
    /// <param name="serverOptions">Options of haproxy's <c>server</c>.</param>
    /// <param name="bindOptions">Options of haproxy's <c>bind</c>.</param>
    /// <param name="usesTls">Whether clients speak TLS to the proxy.</param>
    /// <param name="checks">Lines of haproxy's <c>tcp-check</c>; null for the default check.</param>
    public static async Task<TcpProxy> StartHaproxyAsync(
        EndPoint upstream, string serverOptions, string bindOptions = "", bool usesTls = false, string? checks = null)
    {
        var proxy = new TcpProxy();
        if (usesTls)
        {
            var file = Path.Combine(proxy._directory.FullName, "server.pem");
            var key = TestCertificate.Instance.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();
            await File.WriteAllTextAsync(file, $"{TestCertificate.Instance.ExportCertificatePem()}\n{key}\n");
            bindOptions += $" ssl crt {file} ca-file {file} verify optional";
        }

        var server = upstream is UnixDomainSocketEndPoint ? $"unix@{upstream}" : $"{upstream}";
        await proxy.StartAsync(
            "haproxy",
            $"""
                global
                  maxconn 256
                defaults
                  mode tcp
                  timeout connect 60s
                  timeout client 60s
                  timeout server 60s
                listen front
                  bind 127.0.0.1:{proxy._port} {bindOptions}
                  bind [::1]:{proxy._port} {bindOptions}
                  bind unix@{proxy.Unix} {bindOptions}
                  unique-id-format %[uuid()]
                  {(checks is null ? "" : "option tcp-check")}
                  {checks}
                  server app {server} {serverOptions}

                """,
            static file => ["-db", "-f", file]);
        return proxy;
    }

    /// <summary>Skips the test where nginx has no module for streams.</summary>
    public static async Task<TcpProxy> StartNginxAsync(EndPoint upstream)
    {
        const string Module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        Assert.SkipUnless(File.Exists(Module), "nginx has no module for streams (libnginx-mod-stream)");
        var proxy = new TcpProxy();
        await proxy.StartAsync(
            "nginx",
            $$"""
                load_module {{Module}};
                daemon off;
                master_process off;
                pid {{proxy._directory.FullName}}/nginx.pid;
                error_log stderr error;
                events {
                  worker_connections 256;
                }
                stream {
                  server {
                    listen 127.0.0.1:{{proxy._port}};
                    listen unix:{{proxy.Unix}};
                    proxy_pass {{upstream}};
                    proxy_protocol on;
                  }
                }
                """,
            file => ["-e", "stderr", "-p", proxy._directory.FullName, "-c", file]);
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _directory.Delete(recursive: true);
    }

    private async Task StartAsync(string tool, string configuration, Func<string, string[]> arguments)
    {
        var file = Path.Combine(_directory.FullName, "proxy.conf");
        await File.WriteAllTextAsync(file, configuration, HangGuard.Token);
        _process = ToolProcess.Start(tool, arguments(file));

        // Not by a connection, which the server behind would count.
        while (!File.Exists(Unix.ToString()))
        {
            Assert.False(_process.HasExited, $"{tool} ended: {_process.Error}");
            await Task.Delay(20, HangGuard.Token);
        }
    }
}
