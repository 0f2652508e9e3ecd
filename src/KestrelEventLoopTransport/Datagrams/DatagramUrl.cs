using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>The addresses of datagram endpoints as URLs.</summary>
internal static class DatagramUrl
{
    private const string Scheme = "udp://";
    private const string UnixScheme = "unix:";

    /// <summary>
    /// Reads <c>udp://127.0.0.1:5353</c>, <c>udp://[::1]:5353</c>, <c>udp://*:5353</c>, <c>unix:/path</c> or
    /// <c>unix:@name</c>.
    /// </summary>
    /// <exception cref="FormatException">The URL has another form.</exception>
    internal static EndPoint Parse(string url)
    {
        if (url.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            var address = url.AsSpan(Scheme.Length).TrimEnd('/');
            var any = Socket.OSSupportsIPv6 ? "[::]" : "0.0.0.0";
            var text = address.StartsWith("*:") ? $"{any}{address[1..]}" : address.ToString();
            var colon = text.LastIndexOf(':');
            if (colon > text.IndexOf(']') && colon > 0 && IPEndPoint.TryParse(text, out var endPoint))
            {
                return endPoint;
            }
        }

        return ParseUnix(url) ?? throw new FormatException(
            $"'{url}' is not the URL of a datagram endpoint. It must be udp://, an IP address or *, and a port, such "
            + "as udp://127.0.0.1:5353, udp://[::1]:5353 or udp://*:5353; or a Unix socket, such as unix:/run/app.sock "
            + "or unix:@name. The path of a Unix socket has at most 107 bytes.");
    }

    private static UnixDomainSocketEndPoint? ParseUnix(string url)
    {
        if (!url.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        try
        {
            return url[UnixScheme.Length..] switch
            {
                ['@', .. { Length: > 0 } name] => new UnixDomainSocketEndPoint('\0' + name),
                ['/', _, ..] path => new UnixDomainSocketEndPoint(path),
                _ => null,
            };
        }
        catch (ArgumentOutOfRangeException)
        {
            // Too long.
            return null;
        }
    }
}
