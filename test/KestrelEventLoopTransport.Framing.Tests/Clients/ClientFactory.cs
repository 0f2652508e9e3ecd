using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Framing.Tests.Clients;

/// <summary>Opens connections of the event loops, or such as Kestrel's own transport has.</summary>
internal sealed class ClientFactory : IConnectionFactory, IAsyncDisposable
{
    private readonly ServiceProvider? _services;
    private readonly SocketConnectionContextFactory? _stock;

    public ClientFactory(bool isEventLoop)
    {
        if (isEventLoop)
        {
            _services = new ServiceCollection().AddLogging().AddEventLoopClient().BuildServiceProvider();
        }
        else
        {
            _stock = new SocketConnectionContextFactory(new SocketConnectionFactoryOptions(), NullLogger.Instance);
        }
    }

    public async ValueTask<ConnectionContext> ConnectAsync(
        EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        if (_services is not null)
        {
            return await _services.GetRequiredService<IConnectionFactory>().ConnectAsync(endpoint, cancellationToken);
        }

        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endpoint, cancellationToken);
            return _stock!.Create(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public ValueTask DisposeAsync()
    {
        _stock?.Dispose();
        return _services?.DisposeAsync() ?? default;
    }
}
