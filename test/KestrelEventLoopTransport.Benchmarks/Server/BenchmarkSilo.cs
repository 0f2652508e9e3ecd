using System.Net;
using System.Net.Sockets;
using Orleans.Configuration;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// A silo beside Kestrel, on the same transport.
internal static class BenchmarkSilo
{
    private const string Cluster = "benchmark";

    // Returns the port of the gateway.
    public static int Add(IHostApplicationBuilder builder, bool isOurs)
    {
        var (port, gateway) = (FreePort(), FreePort());
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(port, gateway, primarySiloEndpoint: null, Cluster, Cluster);
            if (isOurs)
            {
                silo.UseEventLoopTransport();
            }
        });
        return gateway;
    }

    public static void Name(ClusterOptions options) => options.ClusterId = options.ServiceId = Cluster;

    // Orleans takes no port 0.
    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
