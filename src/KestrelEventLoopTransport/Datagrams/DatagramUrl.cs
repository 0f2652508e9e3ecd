using System.Net;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>The addresses of datagram endpoints as URLs.</summary>
internal static class DatagramUrl
{
    private const string Scheme = "udp://";

    /// <summary>Reads <c>udp://127.0.0.1:5353</c>, <c>udp://[::1]:5353</c> or <c>udp://*:5353</c>.</summary>
    /// <exception cref="FormatException">The URL has another form.</exception>
    internal static IPEndPoint Parse(string url)
    {
        if (url.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            var address = url.AsSpan(Scheme.Length).TrimEnd('/');
            var any = System.Net.Sockets.Socket.OSSupportsIPv6 ? "[::]" : "0.0.0.0";
            var text = address.StartsWith("*:") ? $"{any}{address[1..]}" : address.ToString();
            var colon = text.LastIndexOf(':');
            if (colon > text.IndexOf(']') && colon > 0 && IPEndPoint.TryParse(text, out var endPoint))
            {
                return endPoint;
            }
        }

        throw new FormatException(
            $"'{url}' is not the URL of a datagram endpoint. It must be udp://, an IP address or *, and a port, such "
            + "as udp://127.0.0.1:5353, udp://[::1]:5353 or udp://*:5353.");
    }
}
