using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Dialing;
using Microsoft.AspNetCore.Connections;

namespace System.Net.Http;

/// <summary>Extension methods that let <see cref="HttpClient"/> use connections of a connection factory.</summary>
public static class SocketsHttpHandlerConnectionExtensions
{
    /// <summary>
    /// Opens the connections of the handler with a connection factory, such as
    /// <see cref="KestrelEventLoopTransport.EventLoopConnectionFactory"/>. Sets
    /// <see cref="SocketsHttpHandler.ConnectCallback"/>.
    /// </summary>
    /// <remarks>
    /// Everything above the socket stays the handler's: TLS, HTTP/1.1, HTTP/2, WebSockets, the pool and its limits.
    /// What fails to connect is an <see cref="HttpRequestException"/> with
    /// <see cref="HttpRequestError.ConnectionError"/> or <see cref="HttpRequestError.NameResolutionError"/>, as with
    /// the handler's own sockets. The time-outs of the factory apply, and so does
    /// <see cref="SocketsHttpHandler.ConnectTimeout"/>, which includes TLS.
    /// </remarks>
    /// <param name="handler">The handler. It must not have been used yet.</param>
    /// <param name="factory">Opens the connections.</param>
    /// <returns>The same handler.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">The handler has been used already.</exception>
    public static SocketsHttpHandler UseConnectionFactory(this SocketsHttpHandler handler, IConnectionFactory factory)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(factory);

        handler.ConnectCallback = async (context, cancellationToken) => new ConnectionStream(
            await ConnectAsync(factory, context, cancellationToken).ConfigureAwait(false));
        return handler;
    }

    private static ValueTask<ConnectionContext> ConnectAsync(
        IConnectionFactory factory, SocketsHttpConnectionContext context, CancellationToken cancellationToken)
        => factory is EventLoopConnectionFactory client && context.InitialRequestMessage.GetEventLoop() is { } loop
            ? client.ConnectAsync(
                context.DnsEndPoint, new EventLoopConnectOptions { Loop = loop }, cancellationToken)
            : factory.ConnectAsync(context.DnsEndPoint, cancellationToken);
}
