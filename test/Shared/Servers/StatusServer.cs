using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Testing;

/// <summary>A Kestrel with a status page at <see cref="Address"/>, and a client that looks at it.</summary>
internal sealed class StatusServer : IAsyncDisposable
{
    private StatusServer(TestServer server)
    {
        Server = server;
        var port = ((IPEndPoint)server.EndPoint).Port;
        Address = new Uri($"http://localhost:{port}/loops");

        // A name of two addresses would be tried over IPv6 first.
        var handler = LoopbackHttpClient.CreateHandler();
        Client = LoopbackHttpClient.Create(handler, new Uri($"http://127.0.0.1:{port}"), ClientProtocol.Http1);
    }

    public TestServer Server { get; }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public static async Task<StatusServer> StartAsync(
        Action<EventLoopStatusOptions>? configure = null,
        Action<IEndpointConventionBuilder>? conventions = null,
        RequestDelegate? app = null,
        Action<WebApplication>? map = null,
        Action<IServiceCollection>? services = null,
        Action<ListenOptions>? listen = null,
        Action<KestrelServerOptions>? kestrel = null)
        => new(await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Services = services,
            Listen = listen,
            Kestrel = kestrel,
            Map = application =>
            {
                map?.Invoke(application);
                var endpoint = application.MapEventLoopStatus("/loops", configure ?? (static _ => { }));
                conventions?.Invoke(endpoint);
                if (app is not null)
                {
                    application.MapFallback(app);
                }
            },
        }));

    public Task<HttpResponseMessage> SendAsync(
        string query = "", string? accept = null, HttpMethod? method = null, string? host = null,
        params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method ?? HttpMethod.Get, "/loops" + query);
        request.Headers.Host = host;
        if (accept is not null)
        {
            Assert.True(request.Headers.TryAddWithoutValidation("Accept", accept));
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return Client.SendAsync(request).DefaultTimeout();
    }

    /// <summary>The page's JSON.</summary>
    public async Task<JsonElement> GetAsync(string query = "")
    {
        using var response = await SendAsync(query);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal(new MediaTypeHeaderValue("application/json", "utf-8"), response.Content.Headers.ContentType);
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The connections that a query finds.</summary>
    public async Task<JsonElement[]> GetConnectionsAsync(string query = "")
        => [.. (await GetAsync(query)).GetProperty("connections").GetProperty("items").EnumerateArray()];

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
    }
}
