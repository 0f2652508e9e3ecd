using System.Diagnostics;
using System.Text.Json;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Status;

/// <summary>
/// Answers requests for the status page: as HTML or as JSON, whichever the client likes better. A POST aborts a
/// connection.
/// </summary>
internal sealed class StatusEndpoint
{
    private readonly EventLoopStatusOptions _options;
    private readonly StatusReporter _reporter;
    private readonly ILogger _logger;

    private StatusEndpoint(EventLoopStatusOptions options, StatusReporter reporter, ILogger logger)
    {
        _options = options;
        _reporter = reporter;
        _logger = logger;
    }

    /// <exception cref="InvalidOperationException">The services have no event loops.</exception>
    internal static StatusEndpoint Create(IServiceProvider services, EventLoopStatusOptions options)
    {
        if (services.GetService<EventLoopTransportMonitor>() is not { } monitor)
        {
            throw new InvalidOperationException(
                "MapEventLoopStatus shows the event loops of the application, which does not use any. Call "
                + "UseEventLoopTransport() on the web host builder.");
        }

        var history = new StatusHistory(monitor);
        services.GetService<IHostApplicationLifetime>()?.ApplicationStopped.Register(history.Dispose);
        var reporter = new StatusReporter(monitor, services.GetRequiredService<SharedLoops>().Metrics, history);
        var logger = SafeLogger.Create(
            services.GetRequiredService<ILoggerFactory>(), "KestrelEventLoopTransport.Status");
        return new StatusEndpoint(options, reporter, logger);
    }

    internal Task RunAsync(HttpContext context)
    {
        StatusPage.AddHeaders(context.Response.Headers);
        if (!StatusAccess.IsAllowed(context))
        {
            return RefuseAsync(
                context,
                "The status page answers on the server's own machine only, and under the name localhost. To open it "
                + "from elsewhere, or through a proxy, add RequireAuthorization() to MapEventLoopStatus().");
        }

        if (HttpMethods.IsPost(context.Request.Method))
        {
            return AbortAsync(context);
        }

        return StatusAccess.PrefersHtml(context.Request)
            ? StatusPage.WriteAsync(context.Response)
            : WriteJsonAsync(context);
    }

    private async Task WriteJsonAsync(HttpContext context)
    {
        if (!ConnectionQuery.TryParse(context.Request.Query, out var query))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsync(ConnectionQuery.Usage, context.RequestAborted).ConfigureAwait(false);
            return;
        }

        var report = _reporter.Create(query, _options.AllowAbort);
        var body = JsonSerializer.SerializeToUtf8Bytes(report, StatusJsonContext.Default.StatusReport);
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private Task AbortAsync(HttpContext context)
    {
        Debug.Assert(_options.AllowAbort, "Without the option there is no POST.");
        if (!StatusAccess.IsSameOrigin(context.Request))
        {
            return RefuseAsync(context, "Only the status page itself may abort connections.");
        }

        if (_reporter.Find(context.Request.Query["abort"].ToString()) is not { } connection)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        StatusLog.Aborted(_logger, connection.ConnectionId);
        connection.Abort(new ConnectionAbortedException("The connection was aborted on the status page."));
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private static Task RefuseAsync(HttpContext context, string reason)
    {
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(reason, context.RequestAborted);
    }
}
