using System.Net;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// How an endpoint receives the PROXY protocol: the header in which a proxy names its client, before the first byte of
/// the client. The header is read below TLS.
/// </summary>
/// <remarks>
/// <para>
/// A trusted peer has to send a header. A peer that is not trusted cannot send one. So a client can never choose the
/// address under which it is seen, and at least one of <see cref="TrustedNetworks"/> and <see cref="TrustUnixPeers"/>
/// has to be set.
/// </para>
/// <para>
/// A connection whose header is wrong, late or incomplete is reset, with one line of the log at level Debug.
/// <see cref="EventLoopEndpoint.GetProxyProtocolFailures"/> counts them.
/// </para>
/// </remarks>
/// <seealso cref="EndpointOptions.ProxyProtocol"/>
public sealed class ProxyProtocolOptions
{
    /// <summary>
    /// The networks of the proxies, such as <c>10.0.0.0/8</c> or <c>fd00::/8</c>, and single addresses. IPv4 addresses
    /// have four decimal numbers. The bits of a network's address behind its prefix have to be 0. An IPv4 proxy is in a
    /// network of IPv4 addresses, also if the endpoint sees its address as <c>::ffff:a.b.c.d</c>; a network of such
    /// mapped addresses is the same as one of IPv4. An array in configuration adds to those that are set by code.
    /// Default: empty.
    /// </summary>
    public IList<string> TrustedNetworks { get; private set; } = [];

    /// <summary>
    /// Whether every peer of a Unix socket is a proxy. The permissions of the file say which processes can be peers:
    /// see <see cref="EndpointOptions.Unix"/>. Default: <see langword="false"/>.
    /// </summary>
    public bool TrustUnixPeers { get; set; }

    /// <summary>
    /// What happens to connections of peers that are not trusted. Default: <see cref="UntrustedPeerPolicy.Refuse"/>.
    /// </summary>
    public UntrustedPeerPolicy UntrustedPeers { get; set; } = UntrustedPeerPolicy.Refuse;

    /// <summary>The versions that proxies may use. Default: <see cref="ProxyProtocolVersions.All"/>.</summary>
    public ProxyProtocolVersions Versions { get; set; } = ProxyProtocolVersions.All;

    /// <summary>
    /// How long a connection may take for its header, from accept on. The specification asks for at least 3 seconds,
    /// the time in which a lost segment is sent again. Whole milliseconds from 1 millisecond to 1 hour. Default: 5
    /// seconds.
    /// </summary>
    /// <remarks>
    /// A connection that waits for its header counts toward <see cref="EndpointOptions.MaxConnections"/>, which is the
    /// only limit of their number: they come on top of <see cref="EndpointOptions.AcceptBatchSize"/>. As long as there
    /// is room, they do not hold up others. With <see cref="MaxConnectionsPolicy.Pause"/> they can take all of it, each
    /// for this time at most.
    /// </remarks>
    public TimeSpan HeaderTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The maximum length of a header of version 2 in bytes, with its 16 fixed bytes. From 232, the length with the
    /// longest addresses, to 65551. Default: 4096.
    /// </summary>
    public int MaxHeaderLength { get; set; } = 4096;

    /// <summary>Reads an element of <see cref="TrustedNetworks"/>.</summary>
    internal static bool TryParseNetwork(string? text, out IPNetwork network)
    {
        network = default;
        ReadOnlySpan<byte> bytes = Encoding.ASCII.GetBytes(text ?? "");
        var slash = bytes.IndexOf((byte)'/');
        var ip = slash < 0 ? bytes : bytes[..slash];
        if ((AddressText.ParseIPv4(ip) ?? AddressText.ParseIPv6(ip)) is not { } address)
        {
            return false;
        }

        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        if (slash >= 0 && !AddressText.TryParseNumber(bytes[(slash + 1)..], bits, out bits))
        {
            return false;
        }

        // The framework drops bits behind the prefix. With them, no mapped network is shorter than 96 bits.
        network = new IPNetwork(address, bits);
        return network.BaseAddress.Equals(address);
    }

    internal ProxyProtocolOptions Copy()
    {
        var copy = (ProxyProtocolOptions)MemberwiseClone();
        copy.TrustedNetworks = [.. TrustedNetworks];
        return copy;
    }
}
