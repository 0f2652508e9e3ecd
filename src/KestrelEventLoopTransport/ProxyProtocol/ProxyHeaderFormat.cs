namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Constants of both versions: <c>doc/proxy-protocol.txt</c>, sections 2.1 and 2.2.</summary>
internal static class ProxyHeaderFormat
{
    /// <summary>The longest line of version 1, with CR LF.</summary>
    internal const int MaxLineLength = 107;

    /// <summary>The fixed part of version 2: signature, version and command, family and transport, length.</summary>
    internal const int FixedLength = 16;

    internal const int VersionOffset = 12;
    internal const int FamilyOffset = 13;
    internal const int LengthOffset = 14;
    internal const int Version2 = 2;

    internal const int Unspecified = 0;
    internal const int Inet = 1;
    internal const int Inet6 = 2;
    internal const int Unix = 3;
    internal const int Stream = 1;
    internal const int Datagram = 2;

    internal const int UnixPathLength = 108;
    internal const int MaxUniqueIdLength = 128;

    internal static ReadOnlySpan<byte> Signature1 => "PROXY "u8;

    internal static ReadOnlySpan<byte> Signature2 => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>The length of both addresses and ports.</summary>
    internal static int AddressLength(int family) => family switch
    {
        Inet => 12,
        Inet6 => 36,
        Unix => 2 * UnixPathLength,
        _ => 0,
    };
}
