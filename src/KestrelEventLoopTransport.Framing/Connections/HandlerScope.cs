using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>A handler that was taken from the services or created with them, and the scope in which it lives.</summary>
internal sealed class HandlerScope
{
    private readonly AsyncServiceScope _scope;
    private readonly bool _isMade;

    private HandlerScope(AsyncServiceScope scope, FrameHandler handler, bool isMade)
    {
        _scope = scope;
        _isMade = isMade;
        Handler = handler;
    }

    internal FrameHandler Handler { get; }

    internal static HandlerScope Create<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        IServiceProvider services)
        where THandler : FrameHandler
    {
        var scope = services.CreateAsyncScope();
        try
        {
            var registered = scope.ServiceProvider.GetService<THandler>();
            return new HandlerScope(
                scope,
                registered ?? ActivatorUtilities.CreateInstance<THandler>(scope.ServiceProvider),
                isMade: registered is null);
        }
        catch
        {
            scope.Dispose();
            throw;
        }
    }

    // Synchronous, because ApplicationStopped is, and the host may be disposed right after it.
    internal void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    internal async ValueTask DisposeAsync()
    {
        if (_isMade && Handler is IAsyncDisposable asynchronous)
        {
            await asynchronous.DisposeAsync().ConfigureAwait(false);
        }
        else if (_isMade && Handler is IDisposable disposable)
        {
            disposable.Dispose();
        }

        await _scope.DisposeAsync().ConfigureAwait(false);
    }
}
