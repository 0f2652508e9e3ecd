using System.Diagnostics.CodeAnalysis;
using System.Net;
using KestrelEventLoopTransport.Framing;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Extension methods that register clients for frames, which start and stop with the host.</summary>
public static class FrameClientServiceCollectionExtensions
{
    /// <summary>
    /// Registers a <see cref="FrameClient"/> that starts and stops with the host. The host does not wait until it is
    /// connected. An <see cref="IConnectionFactory"/> has to be registered too. For several clients, use
    /// <see cref="AddKeyedFrameClient{THandler}"/>.
    /// </summary>
    /// <typeparam name="THandler">
    /// The handler's type. It comes from the services if it is registered there, and is created otherwise, in a scope
    /// of the client's own. The scope, and a handler that was created, are disposed with the client.
    /// </typeparam>
    /// <param name="services">The services.</param>
    /// <param name="remoteEndPoint">The server, of a type that the factory supports.</param>
    /// <param name="codec">Finds and encodes the frames.</param>
    /// <param name="options">Options of the client. Default: those of a new instance.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">
    /// An argument without a default is <see langword="null"/>.
    /// </exception>
    public static IServiceCollection AddFrameClient<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services,
        EndPoint remoteEndPoint,
        FrameCodec codec,
        FrameClientOptions? options = null)
        where THandler : FrameHandler
    {
        ThrowIfNull(services, remoteEndPoint, codec);
        services.AddSingleton(provider => Create<THandler>(
            provider, provider.GetService<IConnectionFactory>(), remoteEndPoint, codec, options));
        return services.AddSingleton<IHostedService>(
            static provider => provider.GetRequiredService<FrameClient>());
    }

    /// <summary>
    /// Registers a <see cref="FrameClient"/> under a key, as
    /// <see cref="AddFrameClient{THandler}(IServiceCollection, EndPoint, FrameCodec, FrameClientOptions?)"/> does
    /// without one. It uses the <see cref="IConnectionFactory"/> with the same key if there is one.
    /// </summary>
    /// <typeparam name="THandler">The handler's type.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="name">The key.</param>
    /// <param name="remoteEndPoint">The server, of a type that the factory supports.</param>
    /// <param name="codec">Finds and encodes the frames.</param>
    /// <param name="options">Options of the client. Default: those of a new instance.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">
    /// An argument without a default is <see langword="null"/>.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="name"/> is empty.</exception>
    public static IServiceCollection AddKeyedFrameClient<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services,
        string name,
        EndPoint remoteEndPoint,
        FrameCodec codec,
        FrameClientOptions? options = null)
        where THandler : FrameHandler
    {
        ThrowIfNull(services, remoteEndPoint, codec);
        ArgumentException.ThrowIfNullOrEmpty(name);
        services.AddKeyedSingleton(name, (provider, key) => Create<THandler>(
            provider,
            provider.GetKeyedService<IConnectionFactory>(key) ?? provider.GetService<IConnectionFactory>(),
            remoteEndPoint,
            codec,
            options));
        return services.AddSingleton<IHostedService>(
            provider => provider.GetRequiredKeyedService<FrameClient>(name));
    }

    private static void ThrowIfNull(IServiceCollection services, EndPoint remoteEndPoint, FrameCodec codec)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(remoteEndPoint);
        ArgumentNullException.ThrowIfNull(codec);
    }

    private static FrameClient Create<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        IServiceProvider services,
        IConnectionFactory? factory,
        EndPoint remoteEndPoint,
        FrameCodec codec,
        FrameClientOptions? options)
        where THandler : FrameHandler
        => factory is null
            ? throw new InvalidOperationException(
                "No IConnectionFactory is registered, which a FrameClient needs to open connections. "
                + "services.AddEventLoopClient() of the package KestrelEventLoopTransport registers one.")
            : new FrameClient(
                factory, remoteEndPoint, codec, HandlerScope.Create<THandler>(services), options, services);
}
