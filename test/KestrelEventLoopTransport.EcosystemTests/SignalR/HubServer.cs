using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>The <see cref="TestHub"/> on a transport, and .NET clients of it.</summary>
internal sealed class HubServer : IAsyncDisposable
{
    private readonly TestServer _server;

    private HubServer(TestServer server, HubEvents events)
    {
        _server = server;
        Events = events;
    }

    public HubEvents Events { get; }

    public Uri Address => new($"http://{_server.EndPoint}/hub");

    /// <param name="transport">What the hub is on.</param>
    /// <param name="port">The port, or 0 for one that the system chooses.</param>
    /// <param name="map">What the server has beside the hub.</param>
    public static async Task<HubServer> StartAsync(
        TransportUnderTest transport, int port = 0, Action<WebApplication>? map = null)
    {
        var events = new HubEvents();
        var server = await TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            EndPoint = new IPEndPoint(IPAddress.Loopback, port),
            Services = services => services.AddSingleton(events)
                .AddSignalR(static options => options.MaximumReceiveMessageSize = null).AddMessagePackProtocol(),
            Map = app =>
            {
                map?.Invoke(app);
                app.MapHub<TestHub>("/hub");
            },
            MinimumLevel = LogLevel.Error,
            // A client that comes back while the host stops may end after the host's services.
            Complaints = static entry => entry.Exception is not ObjectDisposedException,
        });
        return new HubServer(server, events);
    }

    public HubConnection CreateClient(HubWire wire, IRetryPolicy? retries = null)
    {
        var transport = wire switch
        {
            HubWire.ServerSentEvents => HttpTransportType.ServerSentEvents,
            HubWire.LongPolling or HubWire.LongPollingMessagePack => HttpTransportType.LongPolling,
            _ => HttpTransportType.WebSockets,
        };
        var builder = new HubConnectionBuilder().WithUrl(Address, transport);
        if (wire is HubWire.WebSocketsMessagePack or HubWire.LongPollingMessagePack)
        {
            builder.AddMessagePackProtocol();
        }

        if (retries is not null)
        {
            builder.WithAutomaticReconnect(retries);
        }

        return builder.Build();
    }

    public async Task<HubConnection> ConnectAsync(HubWire wire, IRetryPolicy? retries = null)
    {
        var client = CreateClient(wire, retries);
        await client.StartAsync().DefaultTimeout();
        return client;
    }

    public Task StopAsync() => _server.StopAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
