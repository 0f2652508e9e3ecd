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

/// <summary>
/// Extension methods that put frames on Kestrel's endpoints, on any transport and with or without TLS.
/// </summary>
public static class FramingConnectionBuilderExtensions
{
    // The builders that have a codec. A builder does not tell which middleware it has.
    private static readonly ConditionalWeakTable<IConnectionBuilder, object> _withCodec = [];

    /// <summary>
    /// Gives each connection a codec, as its <see cref="IFramingFeature"/>.
    /// <see cref="ConnectionContextFramingExtensions.ReadFramesAsync"/> and
    /// <see cref="UseFrameHandler{THandler}(IConnectionBuilder, FrameHandlerOptions?)"/> use it. It may stand before or
    /// after <c>UseHttps</c>: frames are read from the decrypted bytes.
    /// </summary>
    /// <remarks>
    /// If the connection's handler throws an exception that the peer has caused (<see cref="FrameException"/>,
    /// <see cref="ConnectionResetException"/>, <see cref="ConnectionAbortedException"/>), the connection ends after
    /// what was flushed has been sent. The exception is logged at Debug; Kestrel itself would log it as an error.
    /// </remarks>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="codec">Finds and encodes the frames.</param>
    /// <param name="options">How to treat oversized and incomplete frames. Default: reading fails.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder UseFrameCodec<TBuilder>(
        this TBuilder builder, FrameCodec codec, FrameReaderOptions? options = null)
        where TBuilder : IConnectionBuilder
        => builder.UseFrameCodec(codec, codec, options);

    /// <inheritdoc cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>
    /// <summary>
    /// Gives each connection two codecs, for example to allow longer answers than requests.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="codec">The codec of the frames that the peer sends.</param>
    /// <param name="writeCodec">The codec of the frames that the peer gets.</param>
    /// <param name="options">How to treat oversized and incomplete frames. Default: reading fails.</param>
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
    /// Gives each connection a codec of its own, which may keep state of the protocol. A handler finds it at
    /// <see cref="FrameConnection.Codec"/>.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="createCodec">Creates the codec of a connection.</param>
    /// <param name="options">How to treat oversized and incomplete frames. Default: reading fails.</param>
    public static TBuilder UseFrameCodec<TBuilder>(
        this TBuilder builder, Func<ConnectionContext, FrameCodec> createCodec, FrameReaderOptions? options = null)
        where TBuilder : IConnectionBuilder
    {
        ArgumentNullException.ThrowIfNull(createCodec);
        return builder.UseFraming(connection =>
        {
            var codec = createCodec(connection) ?? throw new InvalidOperationException("createCodec returned null.");
            return new FramingFeature(connection, codec, codec, options);
        });
    }

    /// <summary>
    /// Handles the endpoint's connections with a <see cref="FrameHandler"/>. It has to stand behind
    /// <see cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
    /// </summary>
    /// <typeparam name="THandler">
    /// The handler's type. One instance serves the endpoint. It comes from the services if it is registered there, and
    /// is created otherwise, in a scope of the endpoint's own. The scope, and a handler that was created, are disposed
    /// when the server has stopped. Services for one connection come from <see cref="FrameConnection.Services"/>.
    /// </typeparam>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="options">Options of the handler. Default: those of a new instance.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    public static IConnectionBuilder UseFrameHandler<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
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
    /// Handles the endpoint's connections with a <see cref="FrameHandler"/>. It has to stand behind
    /// <see cref="UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="handler">Handles all connections of the endpoint. It is not disposed.</param>
    /// <param name="options">Options of the handler. Default: those of a new instance.</param>
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
                "The endpoint has no frame codec. "
                + "Call UseFrameCodec(codec) on its ListenOptions before UseFrameHandler.");
        }
    }

    private static ILogger CreateLogger(IConnectionBuilder builder)
        => (builder.ApplicationServices.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance)
            .CreateLogger(FramingLog.Category);
}
