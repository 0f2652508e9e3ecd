using System.Text;
using KestrelEventLoopTransport;

namespace ProxyProtocol;

/// <summary>What is known of a client: its address, and what the proxy says.</summary>
internal static class ClientDescription
{
    public static string Of(HttpContext context)
    {
        var text = new StringBuilder();
        Add(text, "client", $"{context.Connection.RemoteIpAddress} {context.Connection.RemotePort}");
        Add(text, "server", $"{context.Connection.LocalIpAddress} {context.Connection.LocalPort}");
        if (context.Features.Get<IProxyProtocolFeature>() is not { } feature)
        {
            return text.ToString();
        }

        var header = feature.Header;
        Add(text, "proxy", $"{feature.RemoteEndPoint}");
        Add(text, "header", $"{header.Version} {header.Command} {header.AddressFamily}");
        Add(text, "authority", header.Authority);
        Add(text, "alpn", Encoding.ASCII.GetString(header.Alpn.Span));
        Add(text, "id", Convert.ToHexString(header.UniqueId.Span));
        if (header.Ssl is { } ssl)
        {
            Add(text, "tls", $"{ssl.Version} {ssl.Cipher}");
            Add(text, "certificate", ssl.IsClientCertificateVerified ? $"{ssl.CommonName} (verified)" : "none");
        }

        return text.ToString();
    }

    /// <summary>What comes from a client may have control characters: they are left out.</summary>
    private static void Add(StringBuilder text, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            var printable = string.Concat(value.Where(static character => !char.IsControl(character)));
            text.Append(name).Append(": ").Append(printable).Append('\n');
        }
    }
}
