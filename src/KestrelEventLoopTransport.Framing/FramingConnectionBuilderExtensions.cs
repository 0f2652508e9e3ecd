using System.Diagnostics.CodeAnalysis;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Framing;

/// <summary>Frames on Kestrel's connections, whatever transport they come from and with or without TLS.</summary>
public static class FramingConnectionBuilderExtensions
{
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
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(codec);

        var logger = CreateLogger(builder);
        builder.Use(next => async connection =>
        {
            connection.Features.Set<IFramingFeature>(new FramingFeature(connection, codec, options));
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
        return builder;
    }

    /// <summary>
    /// Lets a <see cref="FrameHandler"/> handle the endpoint's connections, behind
    /// <see cref="UseFrameCodec{TBuilder}"/>.
    /// </summary>
    /// <typeparam name="THandler">One is made for the endpoint, or taken from the services if it is registered.</typeparam>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="options">Its settings.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static IConnectionBuilder UseFrameHandler<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IConnectionBuilder builder,
        FrameHandlerOptions? options = null)
        where THandler : FrameHandler
    {
        ArgumentNullException.ThrowIfNull(builder);

        return builder.UseFrameHandler(
            ActivatorUtilities.GetServiceOrCreateInstance<THandler>(builder.ApplicationServices), options);
    }

    /// <summary>
    /// Lets a <see cref="FrameHandler"/> handle the endpoint's connections, behind
    /// <see cref="UseFrameCodec{TBuilder}"/>.
    /// </summary>
    /// <param name="builder">The endpoint: <c>ListenOptions</c>.</param>
    /// <param name="handler">Handles all connections of the endpoint.</param>
    /// <param name="options">Its settings.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static IConnectionBuilder UseFrameHandler(
        this IConnectionBuilder builder,
        FrameHandler handler,
        FrameHandlerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(handler);

        var services = builder.ApplicationServices;
        var endpoint = new FrameEndpoint(
            handler,
            options ?? new FrameHandlerOptions(),
            CreateLogger(builder),
            services.GetService<TimeProvider>() ?? TimeProvider.System,
            services.GetService<IHostApplicationLifetime>());
        return builder.Use(_ => connection => new FrameConnection(connection, endpoint).RunAsync());
    }

    private static ILogger CreateLogger(IConnectionBuilder builder)
        => (builder.ApplicationServices.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance)
            .CreateLogger(FramingLog.Category);
}
