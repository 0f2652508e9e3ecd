using KestrelEventLoopTransport;

namespace System.Net.Http;

/// <summary>Extension methods that tell an <see cref="HttpClient"/> the event loop of a request.</summary>
public static class HttpRequestMessageEventLoopExtensions
{
    private static readonly HttpRequestOptionsKey<IEventLoopFeature?> _loop = new("KestrelEventLoopTransport.Loop");

    /// <summary>
    /// Says which loop a connection is to be on that is opened for this request: that of the incoming request, for a
    /// proxy. <see cref="HttpClient"/> opens connections on the thread pool, so the calling loop would not be known.
    /// </summary>
    /// <remarks>
    /// For a handler with <see cref="SocketsHttpHandlerConnectionExtensions.UseConnectionFactory"/> and an <see
    /// cref="EventLoopConnectionFactory"/>. A request that finds a connection in the handler's pool takes it, whatever
    /// its loop. It may also take another's that is ready first, and the one opened for it goes to the pool.
    /// <see cref="EventLoopHttpHandler"/> takes a connection of the named loop, unless the request is sent on a loop.
    /// </remarks>
    /// <param name="request">The request, not sent yet.</param>
    /// <param name="loop">The loop, which a connection has as a feature; <see langword="null"/> for any.</param>
    /// <exception cref="ArgumentNullException"><paramref name="request"/> is <see langword="null"/>.</exception>
    public static void SetEventLoop(this HttpRequestMessage request, IEventLoopFeature? loop)
    {
        ArgumentNullException.ThrowIfNull(request);

        request.Options.Set(_loop, loop);
    }

    /// <summary>What <see cref="SetEventLoop"/> has set.</summary>
    internal static IEventLoopFeature? GetEventLoop(this HttpRequestMessage request)
        => request.Options.TryGetValue(_loop, out var loop) ? loop : null;
}
