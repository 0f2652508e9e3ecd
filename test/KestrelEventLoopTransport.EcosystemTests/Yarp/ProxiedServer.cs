using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ReverseProxy;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>
/// YARP in front of a server, and a client. If YARP is on ours, its own connections are on the loops too. Client and
/// proxy speak the protocol, and so do proxy and server.
/// </summary>
internal sealed class ProxiedServer : IAsyncDisposable
{
    private readonly TestServer _proxy;

    private ProxiedServer(ClientProtocol protocol, TestServer proxy, TestServer backend, BackendEvents events)
    {
        _proxy = proxy;
        Address = AddressOf(proxy, protocol);
        Client = LoopbackHttpClient.Create(Address, protocol);
        Backend = backend;
        Events = events;
    }

    /// <summary>Of the proxy.</summary>
    public HttpClient Client { get; }

    public TestServer Backend { get; }

    public BackendEvents Events { get; }

    /// <summary>Of the proxy.</summary>
    public Uri Address { get; }

    public static Task<ProxiedServer> StartAsync(TransportUnderTest transport, ClientProtocol protocol)
        => StartAsync(transport, transport, protocol);

    /// <param name="front">What YARP is on.</param>
    /// <param name="back">What the server behind it is on.</param>
    /// <param name="protocol">What all speak.</param>
    public static async Task<ProxiedServer> StartAsync(
        TransportUnderTest front, TransportUnderTest back, ClientProtocol protocol)
    {
        var events = new BackendEvents();
        var backend = await TestServer.StartAsync(CreateSettings(
            back, protocol, app => BackendEndpoints.Map(app, events), static _ => { }));
        var proxy = await TestServer.StartAsync(CreateSettings(
            front,
            protocol,
            static app => app.MapReverseProxy(),
            services =>
            {
                var yarp = services.AddReverseProxy().LoadFromMemory(
                    [new RouteConfig { RouteId = "all", ClusterId = "app", Match = new() { Path = "{**path}" } }],
                    [CreateCluster(AddressOf(backend, protocol), IsHttp1(protocol))]);
                if (!front.IsStock)
                {
                    yarp.UseEventLoops();
                }
            }));
        return new ProxiedServer(protocol, proxy, backend, events);
    }

    /// <summary>That it serves: one request there and back.</summary>
    public async Task AssertServesAsync()
        => Assert.Equal("Hello", await Client.GetStringAsync("/hello").DefaultTimeout());

    /// <summary>A connection to the proxy.</summary>
    public Task<RawClient> ConnectAsync() => _proxy.ConnectAsync();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _proxy.DisposeAsync();
        await Backend.DisposeAsync();
    }

    private static TestSettings CreateSettings(
        TransportUnderTest transport,
        ClientProtocol protocol,
        Action<WebApplication> map,
        Action<IServiceCollection> services) => new()
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            Protocols = IsHttp1(protocol) ? HttpProtocols.Http1 : HttpProtocols.Http2,
            UsesTls = protocol == ClientProtocol.Http2OverTls,
            Kestrel = static kestrel => kestrel.Limits.MaxRequestBodySize = null,
            Map = map,
            Services = services,
            MinimumLevel = LogLevel.Error,
            Complaints = static _ => true,
        };

    private static ClusterConfig CreateCluster(Uri address, bool http1) => new()
    {
        ClusterId = "app",
        Destinations = new Dictionary<string, DestinationConfig> { ["first"] = new() { Address = $"{address}" } },
        HttpClient = new HttpClientConfig { DangerousAcceptAnyServerCertificate = true },
        HttpRequest = new ForwarderRequestConfig
        {
            Version = http1 ? HttpVersion.Version11 : HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        },
    };

    private static bool IsHttp1(ClientProtocol protocol) => protocol == ClientProtocol.Http1;

    private static Uri AddressOf(TestServer server, ClientProtocol protocol)
        => new($"{(protocol == ClientProtocol.Http2OverTls ? "https" : "http")}://{server.EndPoint}");
}
