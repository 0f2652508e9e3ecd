using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>
/// Which peers have to send a header. Addresses are compared as bytes, so the check allocates nothing. IPv4 addresses
/// that are mapped into IPv6 count as IPv4, on both sides.
/// </summary>
internal sealed class TrustedPeers(ProxyProtocolOptions options)
{
    private const int MappedPrefixBits = 96;

    private readonly (byte[] Prefix, int Bits)[] _networks = [.. options.TrustedNetworks.Select(Parse)];
    private readonly bool _trustsUnix = options.TrustUnixPeers;

    /// <param name="socketAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    internal bool Contains(ReadOnlySpan<byte> socketAddress)
    {
        if (SocketAddressBytes.IsUnix(socketAddress))
        {
            return _trustsUnix;
        }

        var address = SocketAddressBytes.GetIPAddress(socketAddress);
        foreach (var (prefix, bits) in _networks)
        {
            if (prefix.Length == address.Length && HasPrefix(address, prefix, bits))
            {
                return true;
            }
        }

        return false;
    }

    private static (byte[] Prefix, int Bits) Parse(string text)
    {
        if (!ProxyProtocolOptions.TryParseNetwork(text, out var network))
        {
            throw new FormatException($"'{text}' is not a network.");
        }

        return network.BaseAddress.IsIPv4MappedToIPv6
            ? (network.BaseAddress.MapToIPv4().GetAddressBytes(), network.PrefixLength - MappedPrefixBits)
            : (network.BaseAddress.GetAddressBytes(), network.PrefixLength);
    }

    private static bool HasPrefix(ReadOnlySpan<byte> address, ReadOnlySpan<byte> prefix, int bits)
    {
        var bytes = bits / 8;
        if (!address[..bytes].SequenceEqual(prefix[..bytes]))
        {
            return false;
        }

        var rest = bits % 8;
        return rest == 0 || (address[bytes] ^ prefix[bytes]) >> (8 - rest) == 0;
    }
}
