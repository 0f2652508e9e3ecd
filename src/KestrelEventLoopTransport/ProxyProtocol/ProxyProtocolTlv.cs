namespace KestrelEventLoopTransport;

/// <summary>An additional field of a PROXY header: type, length and value (version 2).</summary>
/// <param name="Type">The type. It may be one that <see cref="ProxyProtocolTlvType"/> has no name for.</param>
/// <param name="Value">The bytes, up to 65535. They come from the proxy, and some of them from the client.</param>
public readonly record struct ProxyProtocolTlv(ProxyProtocolTlvType Type, ReadOnlyMemory<byte> Value)
{
    /// <summary>A field for the checksum, which is computed when the header is written.</summary>
    public static ProxyProtocolTlv Checksum { get; } = new(ProxyProtocolTlvType.Crc32C, new byte[sizeof(uint)]);
}
