using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary>The <see cref="ShapesService"/> on a transport, and a client of it.</summary>
internal sealed class GrpcServer : IAsyncDisposable
{
    public const int Megabyte = 1024 * 1024;

    private readonly TestServer _server;
    private readonly GrpcChannel _channel;

    private GrpcServer(TestServer server, GrpcChannel channel, ShapesCalls calls)
    {
        _server = server;
        _channel = channel;
        Calls = calls;
        Client = new Shapes.ShapesClient(channel);
    }

    public ShapesCalls Calls { get; }

    public Shapes.ShapesClient Client { get; }

    public TestServer Server => _server;

    public static async Task<GrpcServer> StartAsync(
        TransportUnderTest transport,
        ClientProtocol protocol,
        Func<SocketsHttpHandler, HttpMessageHandler>? client = null,
        Action<GrpcServiceOptions>? service = null,
        Action<KestrelServerOptions>? kestrel = null,
        LogLevel level = LogLevel.Warning)
    {
        var calls = new ShapesCalls();
        var tls = protocol is ClientProtocol.Http2OverTls or ClientProtocol.Http1OverTls;
        var http1 = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls;
        var server = await TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            Protocols = http1 ? HttpProtocols.Http1 : HttpProtocols.Http2,
            UsesTls = tls,
            Kestrel = kestrel,
            Services = services => services.AddSingleton(calls).AddGrpc(options =>
            {
                options.MaxReceiveMessageSize = null;
                service?.Invoke(options);
            }),
            Map = static app =>
            {
                app.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true });
                app.MapGrpcService<ShapesService>();
            },
            MinimumLevel = level,
        });
        var handler = LoopbackHttpClient.CreateHandler();
        var channel = GrpcChannel.ForAddress($"{(tls ? "https" : "http")}://{server.EndPoint}", new GrpcChannelOptions
        {
            HttpHandler = client?.Invoke(handler) ?? handler,
            HttpVersion = http1 ? HttpVersion.Version11 : HttpVersion.Version20,
            HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            MaxReceiveMessageSize = null,
            DisposeHttpClient = true,
        });
        return new GrpcServer(server, channel, calls);
    }

    /// <summary>That the connection serves: one call there and back.</summary>
    public async Task AssertServesAsync()
    {
        var answer = await Client.UnaryAsync(new Message { Number = 7 }).ResponseAsync.DefaultTimeout();
        Assert.Equal(7, answer.Number);
    }

    /// <summary>Closes the client's connections, with calls that are under way.</summary>
    public void CloseClient() => _channel.Dispose();

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }
}
