using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The README's configurations of nginx and HAProxy, as they are printed there.</summary>
[Trait("Poller", "epoll")]
public sealed class ProxyRecipeTests
{
    private const string Nginx = "Behind nginx";
    private const string Haproxy = "Behind HAProxy";

    // Not the address that everything else comes from.
    private static readonly IPAddress _client = IPAddress.Parse("127.0.0.2");

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_configuration_of_nginx_serves_an_app_on_a_Unix_socket()
    {
        using var socket = new SocketPath();
        var group = (await ToolProcess.RunAsync("id", "-gn")).AssertSuccess().Output.Trim();
        await using var app = await RecipeApp.StartAsync(
            Readme.Block(Nginx, "json").With("/run/app/app.sock", socket.Path).With("www-data", group));
        var stat = await ToolProcess.RunAsync("stat", "-c", "%a %G", socket.Path);
        Assert.Equal($"660 {group}\n", stat.AssertSuccess().Output);
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        await using var nginx = await ConfiguredProxy.StartNginxAsync(
            Readme.Block(Nginx, "nginx")
                .With("/run/app/app.sock", socket.Path)
                .With("listen 80;", $"listen {endPoint};"),
            endPoint);
        using var client = CreateClient($"http://{endPoint}");

        Assert.Equal($"{_client} http 127.0.0.1", await client.GetStringAsync("/client", HangGuard.Token));
        await RequestsShareAConnectionAsync(client);
        await WebSocketsPassAsync(endPoint);
        await UploadsAreNotHeldBackAsync(client, app);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_configuration_of_HAProxy_serves_two_apps_with_TLS_and_goes_on_when_one_stops()
    {
        var json = Readme.Block(Haproxy, "json")
            .With("https://*:5001", "https://127.0.0.1:0")
            .With("10.0.0.0/24", "127.0.0.0/8");
        await using var first = await RecipeApp.StartAsync(json, usesTls: true);
        await using var second = await RecipeApp.StartAsync(json, usesTls: true);
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        await using var haproxy = await ConfiguredProxy.StartHaproxyAsync(
            Readme.Block(Haproxy, "haproxy")
                .With("bind :443", $"bind {endPoint}")
                .With("10.0.0.11:5001", $"{first.EndPoint}")
                .With("10.0.0.12:5001", $"{second.EndPoint}"),
            endPoint);

        await AllAreAnsweredAsync(endPoint.Port);
        Assert.All([first, second], static app => Assert.NotEqual(0, app.Monitor.Endpoints[0].AcceptedConnections));

        await first.StopAsync();
        await AllAreAnsweredAsync(endPoint.Port);
    }

    // From a directory of its own, as the sample's README says it: nginx finds its module there too.
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_configurations_of_the_sample_are_valid()
    {
        const string Module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        Assert.SkipUnless(File.Exists(Module), "nginx has no module for streams (libnginx-mod-stream)");
        var sample = Repository.PathOf("samples", "ProxyProtocol");
        var nginx = await File.ReadAllTextAsync(Path.Combine(sample, "nginx.conf"), HangGuard.Token);
        using var configuration = new TemporaryFile(nginx.With(":5085", $":{FreePort.Next()}"));
        var prefix = Path.GetDirectoryName(configuration.Path)!;

        var ofNginx = await ToolProcess.RunAsync(
            "nginx", "-t", "-e", "stderr", "-p", prefix, "-c", configuration.Path);
        ofNginx.AssertSuccess();
        var ofHaproxy = await ToolProcess.RunAsync("haproxy", "-c", "-f", Path.Combine(sample, "haproxy.cfg"));
        ofHaproxy.AssertSuccess();
    }

    private static async Task AllAreAnsweredAsync(int port)
    {
        for (var i = 0; i < 20; i++)
        {
            using var client = CreateClient($"https://localhost:{port}");
            Assert.Equal($"{_client} https localhost:{port}", await client.GetStringAsync("/client", HangGuard.Token));
            Assert.Equal("Healthy", await client.GetStringAsync("/healthz", HangGuard.Token));
        }
    }

    private static async Task RequestsShareAConnectionAsync(HttpClient client)
    {
        var connections = new ConcurrentDictionary<string, bool>();
        for (var i = 0; i < 20; i++)
        {
            connections.TryAdd(await client.GetStringAsync("/connection", HangGuard.Token), true);
        }

        Assert.Single(connections);
    }

    private static async Task WebSocketsPassAsync(IPEndPoint endPoint)
    {
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{endPoint}/ws"), HangGuard.Token);
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, HangGuard.Token);
        var buffer = new byte[16];
        var answer = await socket.ReceiveAsync(buffer, HangGuard.Token);
        Assert.Equal("hello"u8, buffer.AsSpan(0, answer.Count));
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, HangGuard.Token);
    }

    private static async Task UploadsAreNotHeldBackAsync(HttpClient client, RecipeApp app)
    {
        var body = new DuplexContent();
        var answer = client.PostAsync("/upload", body, HangGuard.Token);
        await body.WriteLineAsync("first");

        await Poll.UntilAsync(() => app.Uploads.Contains("first"));

        body.Complete();
        (await answer).EnsureSuccessStatusCode();
    }

    private static HttpClient CreateClient(string address)
    {
        var handler = LoopbackHttpClient.CreateHandler();
        handler.ConnectCallback = static async (context, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(_client, 0));
                await socket.ConnectAsync(
                    new IPEndPoint(IPAddress.Loopback, context.DnsEndPoint.Port), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        return LoopbackHttpClient.Create(handler, new Uri(address), ClientProtocol.Http1);
    }
}
