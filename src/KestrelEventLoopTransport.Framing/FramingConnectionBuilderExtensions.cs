using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>Frames on Kestrel's connections, whatever transport they come from and with or without TLS.</summary>
public static class FramingConnectionBuilderExtensions
{
    // Who has called UseFrameCodec. A builder cannot be asked what it was given.
    private static readonly ConditionalWeakTable<IConnectionBuilder, object> _withCodec = [];

    /// <summary>
    /// Gives each connection a codec, as its <see cref="IFramingFeature"/>: for
    /// <see cref="ConnectionContextFramingExtensions.ReadFramesAsync"/> and
    /// <see cref="UseFrameHandler{THandler}(IConnectionBuilder, FrameHandlerOptions?)"/>. It may stand before or after
    /// <c>UseHttps</c>: frames are read from what has been decrypted.
    /// </summary>
    /// <remarks>
    /// An exception that is the peer's doing (<see cref="FrameException"/>, <see cref="ConnectionResetException"/>,
    /// <see cref="ConnectionAbortedException"/>) and leaves the connection's handler ends the connection after what was
    /// flushed has been sent, and is logged at Debug. Kestrel itself would log it as an error.
    /// </remarks>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="codec">What a frame looks like.</param>
    /// <param name="options">What to do about frames that are too long or incomplete. Default: to fail.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder UseFrameCodec<TBuilder>(this TBuilder builder, FrameCodec codec, FrameReaderOptions? options = null)
        where TBuilder : IConnectionBuilder
        => builder.UseFrameCodec(codec, codec, options);

    /// <inheritdoc cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>
    /// <summary>
    /// Gives each connection two codecs, where frames of the peer and frames to it are not alike: another maximum for
    /// answers than for requests, say.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="codec">What a frame of the peer looks like.</param>
    /// <param name="writeCodec">What a frame to the peer looks like.</param>
    /// <param name="options">What to do about frames that are too long or incomplete. Default: to fail.</param>
    public static TBuilder UseFrameCodec<TBuilder>(
        this TBuilder builder, FrameCodec codec, FrameCodec writeCodec, FrameReaderOptions? options = null)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(writeCodec);
        return builder.UseFraming(connection => new FramingFeature(connection, codec, writeCodec, options));
    }

    /// <inheritdoc cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>
    /// <summary>
    /// Gives each connection a codec of its own, which may keep the state of the protocol:
    /// <see cref="FrameConnection.Codec"/> is it.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="createCodec">Makes a connection's codec.</param>
    /// <param name="options">What to do about frames that are too long or incomplete. Default: to fail.</param>
    public static TBuilder UseFrameCodec<TBuilder>(
        this TBuilder builder, Func<ConnectionContext, FrameCodec> createCodec, FrameReaderOptions? options = null)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(createCodec);
        return builder.UseFraming(connection =>
        {
            var codec = createCodec(connection) ?? throw new InvalidOperationException("createCodec has returned null.");
            return new FramingFeature(connection, codec, codec, options);
        });
    }

    /// <summary>
    /// Lets a <see cref="FrameHandler"/> handle the endpoint's connections, behind
    /// <see cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
    /// </summary>
    /// <typeparam name="THandler">
    /// One is made for the endpoint, or taken from the services if it is registered, within a scope of the endpoint's
    /// own. When the server has stopped, the scope is disposed, and with it a handler that was made. What belongs to
    /// one connection comes from <see cref="FrameConnection.Services"/>.
    /// </typeparam>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="options">Its settings.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    public static IConnectionBuilder UseFrameHandler<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IConnectionBuilder builder,
        FrameHandlerOptions? options = null)
        where THandler : FrameHandler
    {
        ThrowIfNoCodec(builder);
        var scope = HandlerScope.Create<THandler>(builder.ApplicationServices);
        builder.ApplicationServices.GetService<IHostApplicationLifetime>()?.ApplicationStopped.Register(scope.Dispose);
        return builder.UseFrameHandler(scope.Handler, options);
    }

    /// <summary>
    /// Lets a <see cref="FrameHandler"/> handle the endpoint's connections, behind
    /// <see cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="handler">Handles all connections of the endpoint. It is not disposed.</param>
    /// <param name="options">Its settings.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    public static IConnectionBuilder UseFrameHandler(
        this IConnectionBuilder builder,
        FrameHandler handler,
        FrameHandlerOptions? options = null)
    {
        ThrowIfNoCodec(builder);
        ArgumentNullException.ThrowIfNull(handler);

        var services = builder.ApplicationServices;
        var host = services.GetService<IHostApplicationLifetime>();
        var endpoint = new FrameEndpoint(
            handler,
            options ?? new FrameHandlerOptions(),
            services,
            CreateLogger(builder),
            services.GetService<TimeProvider>() ?? TimeProvider.System);
        host?.ApplicationStarted.Register(() => handler.OnStarted(endpoint));
        host?.ApplicationStopping.Register(() => handler.OnStopping(endpoint));
        return builder.Use(_ => connection => new FrameConnection(connection, endpoint).RunAsync());
    }

    private static TBuilder UseFraming<TBuilder>(this TBuilder builder, Func<ConnectionContext, IFramingFeature> create)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);

        var logger = CreateLogger(builder);
        builder.Use(next => async connection =>
        {
            connection.Features.Set(create(connection));
            try
            {
                await next(connection).ConfigureAwait(false);
            }
            catch (Exception exception)
                when (exception is FrameException or ConnectionResetException or ConnectionAbortedException)
            {
                FramingLog.ConnectionFailed(logger, connection.ConnectionId, exception);
            }
        });
        _withCodec.AddOrUpdate(builder, builder);
        return builder;
    }

    private static void ThrowIfNoCodec(IConnectionBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (!_withCodec.TryGetValue(builder, out _))
        {
            throw new InvalidOperationException(
                "The endpoint has no frame codec. Call UseFrameCodec(codec) on its ListenOptions, before UseFrameHandler.");
        }
    }

    private static ILogger CreateLogger(IConnectionBuilder builder)
        => (builder.ApplicationServices.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance)
            .CreateLogger(FramingLog.Category);
}
