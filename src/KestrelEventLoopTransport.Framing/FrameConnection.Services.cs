using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing;

// The connection's own scope of services. The first access creates it, and the end of the connection disposes it.
public sealed partial class FrameConnection
{
    private IServiceScope? _scope;

    /// <summary>
    /// The connection's own services: one scope for all of its callbacks. The first access creates the scope. It is
    /// disposed after <see cref="FrameHandler.OnDisconnectedAsync"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The connection has ended.</exception>
    public IServiceProvider Services
    {
        get
        {
            if (Volatile.Read(ref _scope) is { } scope)
            {
                return scope.ServiceProvider;
            }

            ObjectDisposedException.ThrowIf(_isOver, this);
            var created = _endpoint.Services.CreateScope();
            scope = Interlocked.CompareExchange(ref _scope, created, null);
            if (scope is not null)
            {
                created.Dispose();
            }

            return (scope ?? created).ServiceProvider;
        }
    }

    private async ValueTask DisposeServicesAsync()
    {
        _isOver = true;
        try
        {
            switch (Volatile.Read(ref _scope))
            {
                case IAsyncDisposable scope:
                    await scope.DisposeAsync().ConfigureAwait(false);
                    break;
                case { } scope:
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
