using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>A transport for HTTP/3 to which nobody connects: it keeps where Kestrel binds it.</summary>
internal sealed class Multiplexed : IMultiplexedConnectionListenerFactory
{
    private readonly List<EndPoint> _bound = [];

    public IReadOnlyList<EndPoint> Bound => _bound;

    public ValueTask<IMultiplexedConnectionListener> BindAsync(
        EndPoint endpoint, IFeatureCollection? features = null, CancellationToken cancellationToken = default)
    {
        _bound.Add(endpoint);
        return ValueTask.FromResult<IMultiplexedConnectionListener>(new Listener(endpoint));
    }

    private sealed class Listener(EndPoint endPoint) : IMultiplexedConnectionListener
    {
        private readonly TaskCompletionSource _unbound = Signal.New();

        public EndPoint EndPoint => endPoint;

        public async ValueTask<MultiplexedConnectionContext?> AcceptAsync(
            IFeatureCollection? features = null, CancellationToken cancellationToken = default)
        {
            await _unbound.Task;
            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _unbound.TrySetResult();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
