using System.Net;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace KestrelEventLoopTransport.Status;

/// <summary>Which requests the status page answers, and in which form.</summary>
internal static class StatusAccess
{
    /// <summary>
    /// A form, an image or a link of another site cannot send this header, and a script of one needs a permission for
    /// it that nothing gives (CORS).
    /// </summary>
    internal const string AbortHeader = "X-Event-Loop-Status";

    // A proxy on this machine connects over loopback too. These say that there is one. One that sets none of them, and
    // makes up the host, cannot be told from a client.
    private static readonly string[] _proxyHeaders =
        ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"];

    /// <summary>
    /// With an authorization policy, the policy has decided already. Without one, the client is on this machine, and
    /// has called it by a name that only this machine has: a name of another site may lead here as well (DNS
    /// rebinding), and that site's scripts could read the answer.
    /// </summary>
    internal static bool IsAllowed(HttpContext context)
        => HasPolicy(context.GetEndpoint()?.Metadata)
            || (context.Connection.RemoteIpAddress is { } peer
                && IPAddress.IsLoopback(peer)
                && IsLocalName(context.Request.Host.Host)
                && !_proxyHeaders.Any(context.Request.Headers.ContainsKey));

    /// <summary>
    /// Whether a request that changes something comes from the page. Browsers send Origin with each POST; other
    /// programs need not.
    /// </summary>
    internal static bool IsSameOrigin(HttpRequest request)
    {
        var origin = request.Headers.Origin.ToString();
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        return request.Headers.ContainsKey(AbortHeader)
            && site is "" or "same-origin"
            && (origin.Length == 0 || (Uri.TryCreate(origin, UriKind.Absolute, out var uri)
                && string.Equals(uri.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase)));
    }

    /// <summary>Whether the client names HTML, and nothing that it likes better. <c>*/*</c> gets JSON.</summary>
    internal static bool PrefersHtml(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted))
        {
            return false;
        }

        double html = 0;
        double json = 0;
        foreach (var type in accepted)
        {
            var quality = type.Quality ?? 1;
            html = type.MediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase) ? quality : html;
            json = type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) ? quality : json;
        }

        return html > 0 && html >= json;
    }

    private static bool HasPolicy(EndpointMetadataCollection? metadata)
        => metadata?.GetMetadata<IAllowAnonymous>() is null
            && (metadata?.GetMetadata<IAuthorizeData>() is not null
                || metadata?.GetMetadata<AuthorizationPolicy>() is not null);

    private static bool IsLocalName(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
}
