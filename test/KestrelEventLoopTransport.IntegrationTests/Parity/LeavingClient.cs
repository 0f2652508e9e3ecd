using System.Net.Sockets;
using KestrelEventLoopTransport.IntegrationTests.Server;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>An <see cref="HttpClient"/> with one connection, whose socket the test can end under it.</summary>
internal sealed class LeavingClient : IDisposable
{
    private readonly HttpClient _client;
    private readonly List<Task> _requests = [];
    private Socket? _socket;

    public LeavingClient(ProtocolServer server, ClientProtocol protocol)
    {
        var handler = LoopbackHttpClient.CreateHandler();
        handler.MaxConnectionsPerServer = 1;
        handler.ConnectCallback = async (context, cancellationToken) =>
        {
            // A request that is lost is not tried again.
            Assert.Null(_socket);
            _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await _socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(_socket, ownsSocket: true);
        };
        _client = LoopbackHttpClient.Create(handler, server.Address(protocol), protocol);
    }

    /// <summary>Sends a request whose outcome the client does not care for.</summary>
    public void Send(HttpMethod method, string path, HttpContent? content = null)
        => _requests.Add(_client.SendAsync(
            new HttpRequestMessage(method, path)
            {
                Content = content,
                Version = _client.DefaultRequestVersion,
                VersionPolicy = _client.DefaultVersionPolicy,
            },
            HttpCompletionOption.ResponseHeadersRead,
            HangGuard.Token));

    /// <summary>Ends the client's direction by FIN, or the connection by RST.</summary>
    public void Leave(bool reset)
    {
        if (reset)
        {
            _socket!.LingerState = new LingerOption(true, 0);
            _socket.Dispose();
        }
        else
        {
            _socket!.Shutdown(SocketShutdown.Send);
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        foreach (var request in _requests)
        {
            _ = request.ContinueWith(static ended => ended.Exception, TaskScheduler.Default);
        }
    }
}
