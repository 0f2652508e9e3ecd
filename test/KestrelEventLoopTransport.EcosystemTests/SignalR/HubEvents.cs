using System.Threading.Channels;

namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>What the hub tells the test.</summary>
public sealed class HubEvents
{
    private readonly Channel<string> _connected = Channel.CreateUnbounded<string>();
    private readonly Channel<string> _disconnected = Channel.CreateUnbounded<string>();

    public void AddConnected(string id) => _connected.Writer.TryWrite(id);

    public void AddDisconnected(string id) => _disconnected.Writer.TryWrite(id);

    /// <summary>The id of the next client that has come.</summary>
    public Task<string> NextConnectedAsync() => _connected.Reader.ReadAsync().DefaultTimeout();

    /// <summary>The id of the next client that has gone.</summary>
    public Task<string> NextDisconnectedAsync() => _disconnected.Reader.ReadAsync().DefaultTimeout();
}
