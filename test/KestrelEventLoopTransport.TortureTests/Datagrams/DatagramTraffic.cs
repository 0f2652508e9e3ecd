using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Datagram endpoints beside the server of an episode, on its loops, and their clients. Datagrams may be lost, but each
/// answer must be right, come once, and come from the endpoint that was asked.
/// </summary>
internal sealed class DatagramTraffic : IAsyncDisposable
{
    private const int BindAttempts = 1000;
    private const int MostClients = 6;

    private readonly Episode _episode;
    private readonly List<SocketPath> _paths = [];
    private readonly List<DatagramEndpoint> _endpoints = [];
    private readonly List<DatagramPeer> _peers = [];

    private DatagramTraffic(Episode episode) => _episode = episode;

    public static async Task<DatagramTraffic> StartAsync(Episode episode, IDatagramHost host)
    {
        var traffic = new DatagramTraffic(episode);
        var random = new Random(episode.Plan.Seed);
        await traffic.AddAsync(host, new IPEndPoint(IPAddress.Loopback, 0), isSpread: false, random);
        await traffic.AddAsync(host, new IPEndPoint(IPAddress.IPv6Any, 0), isSpread: true, random);
        var path = new SocketPath();
        traffic._paths.Add(path);
        await traffic.AddAsync(host, new UnixDomainSocketEndPoint(path.Path), isSpread: false, random);
        return traffic;
    }

    /// <summary>Sends and receives until the rest of the episode has ended.</summary>
    public Task RunAsync(Task rest)
        => Task.WhenAll(_peers.Select(peer => Task.Run(() => peer.RunAsync(() => rest.IsCompleted))));

    public async ValueTask DisposeAsync()
    {
        _peers.ForEach(static peer => peer.Dispose());
        await Task.WhenAll(_endpoints.Select(static endpoint => endpoint.StopAsync()));
        _paths.ForEach(static path => path.Dispose());
    }

    private async Task AddAsync(IDatagramHost host, EndPoint endPoint, bool isSpread, Random random)
    {
        var id = _endpoints.Count;
        var options = new DatagramEndpointOptions
        {
            SocketPerLoop = isSpread,
            MaxSendQueueSize = random.Next(2) == 0 ? 1 : 64 * 1024,
            SendBufferSize = random.Next(2) == 0 ? 4096 : null,
            MaxDatagramSize = DatagramPeer.MaxSize,
        };
        var endpoint = await BindAsync(host, endPoint, options, new AnsweringHandler(_episode, id));
        _endpoints.Add(endpoint);
        for (var clients = random.Next(1, MostClients); clients > 0; clients--)
        {
            if (endpoint.EndPoint is IPEndPoint ip)
            {
                _peers.Add(new DatagramPeer(_episode, id, _peers.Count, new IPEndPoint(IPAddress.Loopback, ip.Port)));
            }
            else
            {
                var path = new SocketPath();
                _paths.Add(path);
                _peers.Add(new DatagramPeer(_episode, id, _peers.Count, endpoint.EndPoint, path));
            }
        }
    }

    private static async Task<DatagramEndpoint> BindAsync(
        IDatagramHost host, EndPoint endPoint, DatagramEndpointOptions options, DatagramHandler handler)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await BindOnceAsync(host, endPoint, options, handler);
            }
            catch (SocketException) when (attempt < BindAttempts)
            {
                // The kernel was short of something.
            }
        }
    }

    private static async Task<DatagramEndpoint> BindOnceAsync(
        IDatagramHost host, EndPoint endPoint, DatagramEndpointOptions options, DatagramHandler handler)
    {
        var group = host.AcquireGroup();
        DatagramEndpoint endpoint;
        try
        {
            endpoint = DatagramEndpoint.Bind(endPoint, options, handler, group);
        }
        catch
        {
            group.Release();
            throw;
        }

        try
        {
            endpoint.Start();
            return endpoint;
        }
        catch
        {
            await endpoint.StopAsync();
            throw;
        }
    }
}
