using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>An application with a datagram endpoint.</summary>
internal sealed class DatagramServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private DatagramServer(WebApplication application, DatagramScript script)
    {
        _application = application;
        Script = script;
    }

    public DatagramScript Script { get; }

    public IServiceProvider Services => _application.Services;

    public DatagramEndpoint Endpoint => Script.Endpoint!;

    public IPEndPoint EndPoint => (IPEndPoint)Endpoint.EndPoint;

    /// <summary>Where the same application accepts connections.</summary>
    public EndPoint Tcp => Services.GetRequiredService<EventLoopTransportMonitor>().Endpoints[0].EndPoint;

    public static Task<DatagramServer> StartAsync(
        ApplicationScheduling scheduling,
        DatagramScript.Receive onDatagrams,
        Action<DatagramEndpointOptions>? configure = null,
        string url = "udp://127.0.0.1:0",
        int loops = 2)
        => StartAsync(
            new TestSettings { Scheduling = scheduling, Transport = options => options.EventLoopCount = loops },
            onDatagrams,
            configure,
            url);

    public static async Task<DatagramServer> StartAsync(
        TestSettings settings,
        DatagramScript.Receive onDatagrams,
        Action<DatagramEndpointOptions>? configure = null,
        string url = "udp://127.0.0.1:0")
    {
        var script = new DatagramScript { OnDatagrams = onDatagrams };
        var application = Create(settings, script, configure, url);
        try
        {
            await application.StartAsync().DefaultTimeout();
        }
        catch
        {
            await application.DisposeAsync().AsTask().DefaultTimeout();
            throw;
        }

        return new DatagramServer(application, script);
    }

    public static WebApplication Create(
        TestSettings settings,
        DatagramScript script,
        Action<DatagramEndpointOptions>? configure = null,
        string url = "udp://127.0.0.1:0")
    {
        settings.Services = services
            => services.AddSingleton(script).AddDatagramEndpoint<ScriptedHandler>(url, configure);
        return settings.CreateApplication(static listen => listen.Run(Echo.RunAsync));
    }

    /// <summary>A client's socket, connected to the server.</summary>
    public Socket Connect() => Connect(EndPoint);

    public static Socket Connect(EndPoint endPoint)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        socket.Connect(endPoint);
        return socket;
    }

    /// <summary>A datagram goes to the server, and comes back.</summary>
    public static void RoundTrip(Socket client, byte[] payload)
    {
        client.Send(payload);
        Assert.Equal(payload, Receive(client));
    }

    public static byte[] Receive(Socket client)
    {
        var buffer = new byte[65_536];
        return buffer[..client.Receive(buffer)];
    }

    /// <summary>
    /// Receives as many datagrams as there are lengths. A call of the handler that takes long may send them in another
    /// order.
    /// </summary>
    public static void ReceiveAll(Socket client, IEnumerable<int> lengths)
    {
        var expected = lengths.Order().ToList();
        var received = expected.ConvertAll(_ => Receive(client));
        Assert.Equal(expected, received.Select(static payload => payload.Length).Order());
        Assert.All(received, static payload => Assert.Equal(Pattern.Create(payload.Length), payload));
    }

    public Task StopAsync() => _application.StopAsync().DefaultTimeout();

    public async ValueTask DisposeAsync() => await _application.DisposeAsync().AsTask().DefaultTimeout();
}
