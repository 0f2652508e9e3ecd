using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing;

// The connection's own scope of services. The first access creates it, and the end of the connection disposes it.
public sealed partial class FrameConnection
{
    private static readonly object _ended = new();

    // The scope, and _ended once it has been disposed or there will be none.
    private object? _scope;

    /// <summary>
    /// The connection's own services: one scope for all of its callbacks. The first access creates the scope. It is
    /// disposed after <see cref="FrameHandler.OnDisconnectedAsync"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The connection has ended.</exception>
    public IServiceProvider Services
    {
        get
        {
            var scope = Volatile.Read(ref _scope);
            if (scope is null)
            {
                var created = _endpoint.Services.CreateScope();
                scope = Interlocked.CompareExchange(ref _scope, created, null);
                if (scope is null)
                {
                    return created.ServiceProvider;
                }

                created.Dispose();
            }

            ObjectDisposedException.ThrowIf(scope == _ended, this);
            return ((IServiceScope)scope).ServiceProvider;
        }
    }

    private async ValueTask DisposeServicesAsync()
    {
        try
        {
            switch (Interlocked.Exchange(ref _scope, _ended))
            {
                case IAsyncDisposable scope:
                    await scope.DisposeAsync().ConfigureAwait(false);
                    break;
                case IDisposable scope:
                    scope.Dispose();
                    break;
            }
        }
        catch (Exception exception)
        {
            Fail("The disposal of its services", exception, IsPeers(exception));
        }
    }
}
