using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Status;

/// <summary>
/// The HTML of the status page (<c>status.html</c>). It is the same for all but for a number that occurs once. It holds
/// no data: its script asks for the JSON and puts it in as text.
/// </summary>
internal static class StatusPage
{
    private static readonly string[] _parts = Read().Split("{{nonce}}");

    /// <summary>Nothing keeps the answer, and no other site embeds it.</summary>
    internal static void AddHeaders(IHeaderDictionary headers)
    {
        headers.CacheControl = "no-store";
        headers.Vary = "Accept";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    internal static Task WriteAsync(HttpResponse response)
    {
        // Only the style and the script with this number run, whatever else may get into the page.
        var nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            + "require-trusted-types-for 'script'";
        return response.WriteAsync(string.Join(nonce, _parts), response.HttpContext.RequestAborted);
    }

    private static string Read()
    {
        const string Name = "KestrelEventLoopTransport.status.html";
        using var stream = typeof(StatusPage).Assembly.GetManifestResourceStream(Name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
