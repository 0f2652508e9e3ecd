using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Status;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Extension methods that add the status page of the event loops to an application.</summary>
public static class EventLoopStatusEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Adds a page that shows what the event loops do: the loops, the listeners, the handlers that block, and the
    /// connections that are oldest, idle for longest or slowest. Browsers get HTML that keeps itself up to date, all
    /// others get the same as JSON.
    /// </summary>
    /// <remarks>
    /// <para>
    /// The page shows addresses of peers. Without an authorization policy it answers only requests that come over
    /// loopback, name <c>localhost</c> or a loopback address as their host, and have none of the headers by which a
    /// proxy says that it has forwarded them (<c>X-Forwarded-For</c>, <c>Via</c> and the like); others get 403. A proxy
    /// on the same machine that sets neither such a header nor the host, as nginx by default, looks like a client of
    /// this machine: behind one, call <c>RequireAuthorization()</c>. With it the policy alone decides.
    /// </para>
    /// <para>
    /// To look costs the loops nothing but a clock that they read twice a turn. The page reads all connections at most
    /// twice a second, however many look at it. Its history ends ten minutes after the last look.
    /// </para>
    /// </remarks>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The address, for example <c>/loops</c>.</param>
    /// <returns>A builder for conventions, such as <c>RequireAuthorization()</c>.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">The application does not use the event-loop transport.</exception>
    public static IEndpointConventionBuilder MapEventLoopStatus(this IEndpointRouteBuilder endpoints, string pattern)
        => endpoints.MapEventLoopStatus(pattern, static _ => { });

    /// <summary>
    /// Adds the status page, like <see cref="MapEventLoopStatus(IEndpointRouteBuilder, string)"/>, and configures it.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The address, for example <c>/loops</c>.</param>
    /// <param name="configureOptions">Sets the page's options.</param>
    /// <returns>A builder for conventions, such as <c>RequireAuthorization()</c>.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">The application does not use the event-loop transport.</exception>
    public static IEndpointConventionBuilder MapEventLoopStatus(
        this IEndpointRouteBuilder endpoints, string pattern, Action<EventLoopStatusOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentNullException.ThrowIfNull(configureOptions);

        var options = new EventLoopStatusOptions();
        configureOptions(options);
        var endpoint = StatusEndpoint.Create(endpoints.ServiceProvider, options);
        string[] methods = options.AllowAbort
            ? [HttpMethods.Get, HttpMethods.Head, HttpMethods.Post]
            : [HttpMethods.Get, HttpMethods.Head];
        return endpoints.MapMethods(pattern, methods, endpoint.RunAsync).WithDisplayName("Event loop status");
    }
}
