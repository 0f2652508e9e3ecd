using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>One connection of an endpoint that allows half-close, over TCP or a Unix socket.</summary>
internal sealed class HalfCloseServer : IAsyncDisposable
{
    private readonly SocketPath _path;
    private readonly TestTransport _transport;

    private HalfCloseServer(SocketPath path, TestTransport transport, ConnectedPair pair)
        => (_path, _transport, Pair) = (path, transport, pair);

    public ConnectedPair Pair { get; }

    public IConnectionHalfCloseFeature HalfClose => Pair.Connection.Features.Get<IConnectionHalfCloseFeature>()!;

    public IEnumerable<LogEntry> Logs => _transport.Logs.Entries;

    public int ConnectionCount => Monitor.ConnectionCount;

    private EventLoopTransportMonitor Monitor => _transport.Services.GetRequiredService<EventLoopTransportMonitor>();

    public static async Task<HalfCloseServer> StartAsync(
        ApplicationScheduling scheduling,
        bool isUnix,
        Action<EndpointOptions>? configure = null,
        bool allows = true)
    {
        var transport = new TestTransport(scheduling, options =>
        {
            options.EndpointDefaults.AllowHalfClose = allows;
            configure?.Invoke(options.EndpointDefaults);
        });
        var path = new SocketPath();
        var listener = await transport.BindAsync(isUnix ? new UnixDomainSocketEndPoint(path.Path) : null);
        return new HalfCloseServer(path, transport, await transport.ConnectAsync(listener));
    }

    /// <summary>The descriptor is closed, although the application has not disposed the connection.</summary>
    public Task IsClosedAsync() => Poll.UntilAsync(() => Monitor.ConnectionCount == 0);

    /// <summary><c>ConnectionClosed</c> fires, and the descriptor is closed.</summary>
    public async Task EndsAsync()
    {
        await Poll.UntilAsync(() => Pair.Connection.ConnectionClosed.IsCancellationRequested);
        await IsClosedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _transport.DisposeAsync();
        _path.Dispose();
    }
}
