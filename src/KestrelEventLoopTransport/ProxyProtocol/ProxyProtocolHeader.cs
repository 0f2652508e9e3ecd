using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.ProxyProtocol;

namespace KestrelEventLoopTransport;

/// <summary>
/// A header of the PROXY protocol (HAProxy's <c>doc/proxy-protocol.txt</c>): one that a proxy has sent, or one to send.
/// It does not change.
/// </summary>
/// <remarks>
/// What a header says comes from the proxy, and some of it from the client: the host name, ALPN, the common name. Text
/// is UTF-8 in which invalid bytes are replaced. It may contain control characters, so escape it in a log.
/// </remarks>
public sealed class ProxyProtocolHeader
{
    // The ids of the providers' fields are behind a byte that has this value.
    private const byte IdFollows = 1;

    private ProxyProtocolSsl? _ssl;

    /// <summary>The header of a connection that a proxy makes for itself, such as a health check.</summary>
    public static ProxyProtocolHeader Local { get; } = new() { Command = ProxyProtocolCommand.Local };

    /// <summary>The version. Default: <see cref="ProxyProtocolVersions.V2"/>.</summary>
    public ProxyProtocolVersions Version { get; init; } = ProxyProtocolVersions.V2;

    /// <summary>
    /// On whose behalf the connection was made. Version 1 has only <see cref="ProxyProtocolCommand.Proxy"/>. Default:
    /// <see cref="ProxyProtocolCommand.Proxy"/>.
    /// </summary>
    public ProxyProtocolCommand Command { get; init; } = ProxyProtocolCommand.Proxy;

    /// <summary>The client's address; <see langword="null"/> if the header does not name one.</summary>
    public EndPoint? Source { get; init; }

    /// <summary>The address that the client has connected to; <see langword="null"/> if there is none.</summary>
    public EndPoint? Destination { get; init; }

    /// <summary>
    /// The additional fields, in their order, repeated ones too. Received headers are without padding. Version 1 has
    /// none. The list is copied. Default: empty.
    /// </summary>
    /// <exception cref="ArgumentNullException">The list is <see langword="null"/>.</exception>
    public IReadOnlyList<ProxyProtocolTlv> Tlvs
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value.Count == 0 ? [] : [.. value];
        }
    } = [];

    /// <summary>
    /// The family of the addresses: <see cref="AddressFamily.InterNetwork"/>,
    /// <see cref="AddressFamily.InterNetworkV6"/>, also if only one of the two is an IPv6 address,
    /// <see cref="AddressFamily.Unix"/>, or <see cref="AddressFamily.Unspecified"/> without addresses.
    /// </summary>
    public AddressFamily AddressFamily => Command == ProxyProtocolCommand.Local
        ? AddressFamily.Unspecified
        : (Source, Destination) switch
        {
            (IPEndPoint source, IPEndPoint destination) when IsIPv4(source) && IsIPv4(destination)
                => AddressFamily.InterNetwork,
            (IPEndPoint, IPEndPoint) => AddressFamily.InterNetworkV6,
            (UnixDomainSocketEndPoint, UnixDomainSocketEndPoint) => AddressFamily.Unix,
            _ => AddressFamily.Unspecified,
        };

    /// <summary>The host name that the client asked for; <see langword="null"/> if there is none.</summary>
    public string? Authority => Text(ProxyProtocolTlvType.Authority);

    /// <summary>The protocol that the client negotiated with the proxy; empty if there is none.</summary>
    public ReadOnlyMemory<byte> Alpn => Find(ProxyProtocolTlvType.Alpn) ?? default;

    /// <summary>The proxy's id of the connection, up to 128 bytes; empty if there is none.</summary>
    public ReadOnlyMemory<byte> UniqueId => Find(ProxyProtocolTlvType.UniqueId) ?? default;

    /// <summary>The network namespace; <see langword="null"/> if there is none.</summary>
    public string? NetworkNamespace => Text(ProxyProtocolTlvType.NetworkNamespace);

    /// <summary>The client's TLS; <see langword="null"/> if the proxy does not say.</summary>
    public ProxyProtocolSsl? Ssl
        => _ssl ??= Find(ProxyProtocolTlvType.Ssl) is { } value ? ProxyProtocolSsl.From(value) : null;

    /// <summary>The id of the VPC endpoint (Amazon Web Services); <see langword="null"/> if there is none.</summary>
    public string? AwsVpcEndpointId
        => Find(ProxyProtocolTlvType.Aws) is { Length: > 1 } value && value.Span[0] == IdFollows
            ? Encoding.UTF8.GetString(value.Span[1..])
            : null;

    /// <summary>The id of the private link (Azure); <see langword="null"/> if there is none.</summary>
    public uint? AzurePrivateLinkId
        => Find(ProxyProtocolTlvType.Azure) is { Length: 1 + sizeof(uint) } value && value.Span[0] == IdFollows
            ? BinaryPrimitives.ReadUInt32LittleEndian(value.Span[1..])
            : null;

    /// <summary>
    /// The id of the Private Service Connect connection (Google Cloud); <see langword="null"/> if there is none.
    /// </summary>
    public ulong? GcpPscConnectionId
        => Find(ProxyProtocolTlvType.Gcp) is { Length: sizeof(ulong) } value
            ? BinaryPrimitives.ReadUInt64BigEndian(value.Span)
            : null;

    /// <summary>
    /// Writes the header. It has to be the first that is sent on a connection, before TLS.
    /// </summary>
    /// <remarks>
    /// If one address is IPv4 and the other IPv6, the first is written as an IPv6 address (<c>::ffff:a.b.c.d</c>). IPv4
    /// addresses of that form are written as IPv4 if both are. Addresses that the version has no form for are left out:
    /// the header then says that the client is unknown. A field of the type <see cref="ProxyProtocolTlvType.Crc32C"/>
    /// gets the checksum.
    /// </remarks>
    /// <param name="writer">Where the header is written to.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// <see cref="Version"/> is not one version, the header has fields and is of version 1, a checksum does not have 4
    /// bytes or is there twice, an id has more than 128 bytes, or the header has more than 65,535 bytes behind its
    /// fixed part.
    /// </exception>
    public void WriteTo(IBufferWriter<byte> writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ProxyHeaderWriter.Write(this, writer);
    }

    private static bool IsIPv4(IPEndPoint endPoint)
        => endPoint.AddressFamily == AddressFamily.InterNetwork || endPoint.Address.IsIPv4MappedToIPv6;

    private string? Text(ProxyProtocolTlvType type)
        => Find(type) is { } value ? Encoding.UTF8.GetString(value.Span) : null;

    private ReadOnlyMemory<byte>? Find(ProxyProtocolTlvType type)
    {
        foreach (var tlv in Tlvs)
        {
            if (tlv.Type == type)
            {
                return tlv.Value;
            }
        }

        return null;
    }
}
