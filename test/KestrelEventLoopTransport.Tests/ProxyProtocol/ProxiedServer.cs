using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>A server that begins each connection with a line about its client, and then echoes.</summary>
internal static class ProxiedServer
{
    public static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        Action<ProxyProtocolOptions>? configure = null,
        Action<EventLoopTransportOptions>? transport = null,
        EndPoint? endPoint = null,
        bool usesTls = false)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = DescribeAsync,
            EndPoint = endPoint ?? new IPEndPoint(IPAddress.Loopback, 0),
            UsesTls = usesTls,
            Transport = options =>
            {
                var proxies = new ProxyProtocolOptions { TrustedNetworks = { "127.0.0.0/8", "::1" } };
                configure?.Invoke(proxies);
                options.EndpointDefaults.ProxyProtocol = proxies;
                transport?.Invoke(options);
            },
        });

    /// <summary>The number of connections, with those that wait for their header.</summary>
    public static int Connections(this TestServer server) => server.Monitor.Endpoints[0].ConnectionCount;

    /// <summary>The number of connections that have failed for a reason.</summary>
    public static long Failures(this TestServer server, ProxyProtocolFailure reason)
        => server.Monitor.Endpoints[0].GetProxyProtocolFailures(reason);

    /// <summary>
    /// Connects and sends in pieces. The reset may come at any moment: the connect can see it already.
    /// </summary>
    public static async Task AssertResetAsync(EndPoint endPoint, params byte[][] pieces)
    {
        try
        {
            using var client = await RawClient.ConnectAsync(endPoint);
            foreach (var piece in pieces)
            {
                await client.SendAsync(piece);
            }

            await client.ExpectResetAsync();
        }
        catch (SocketException exception)
        {
            Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
        }
    }

    /// <summary>What the server says of a connection without a header.</summary>
    public static string Plain(RawClient client)
        => $"{client.Socket.LocalEndPoint} {client.Socket.RemoteEndPoint} none";

    /// <summary>What the server says of a connection whose header names <see cref="HeaderBytes.Client"/>.</summary>
    public static string Proxied(RawClient client)
        => $"{HeaderBytes.Client} {HeaderBytes.Server} Proxy {client.Socket.LocalEndPoint}";

    private static async Task DescribeAsync(ConnectionContext connection)
    {
        var feature = connection.Features.Get<IProxyProtocolFeature>();
        var proxy = feature is null ? "none" : $"{feature.Header.Command} {feature.RemoteEndPoint}";
        await connection.Transport.Output.WriteAsync(
            Encoding.UTF8.GetBytes($"{connection.RemoteEndPoint} {connection.LocalEndPoint} {proxy}\n"));
        await Echo.RunAsync(connection);
    }
}
