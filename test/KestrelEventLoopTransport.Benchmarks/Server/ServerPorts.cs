using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// The ports of a started server, as the line on its standard output that says it is ready.
internal sealed record ServerPorts(int Http, int Https, int H2c, int Echo, int Mqtt, int Gateway = 0)
{
    private const string Ready = "READY";

    public override string ToString()
        => string.Create(
            CultureInfo.InvariantCulture,
            $"{Ready} http={Http} https={Https} h2c={H2c} echo={Echo} mqtt={Mqtt} gateway={Gateway}");

    // Returns when all of them accept connections.
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        foreach (var port in new[] { Http, Https, H2c, Echo, Mqtt, Gateway }.Where(port => port != 0))
        {
            while (!await AcceptsAsync(port, cancellationToken))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
            }
        }
    }

    private static async Task<bool> AcceptsAsync(int port, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    // Null when the line is not the ready line. Ports that the line does not name are 0.
    public static ServerPorts? Parse(string line)
    {
        var words = line.Split(' ');
        if (words[0] != Ready)
        {
            return null;
        }

        var ports = words.Skip(1).Select(word => word.Split('=')).ToDictionary(
            pair => pair[0],
            pair => int.Parse(pair[1], CultureInfo.InvariantCulture));
        return new ServerPorts(
            ports.GetValueOrDefault("http"),
            ports.GetValueOrDefault("https"),
            ports.GetValueOrDefault("h2c"),
            ports.GetValueOrDefault("echo"),
            ports.GetValueOrDefault("mqtt"),
            ports.GetValueOrDefault("gateway"));
    }
}
