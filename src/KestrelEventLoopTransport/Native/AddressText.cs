using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// IP addresses as text, in the one form that everybody reads alike. The framework also takes octal and hexadecimal
/// numbers, fewer than four parts, brackets, ports and scopes.
/// </summary>
internal static class AddressText
{
    // An IPv6 address with an IPv4 address at its end (RFC 4291, 2.2): HAProxy writes mapped addresses so.
    private const int MaxLength = 45;

    private static readonly SearchValues<byte> _ofIPv6 = SearchValues.Create("0123456789abcdefABCDEF:."u8);

    /// <summary>Four decimal numbers. Null if it is anything else.</summary>
    internal static IPAddress? ParseIPv4(ReadOnlySpan<byte> text)
    {
        Span<byte> address = stackalloc byte[4];
        for (var i = 0; i < address.Length; i++)
        {
            var end = i == address.Length - 1 ? text.Length : text.IndexOf((byte)'.');
            if (end < 0 || !TryParseNumber(text[..end], byte.MaxValue, out var number))
            {
                return null;
            }

            address[i] = (byte)number;
            text = text[Math.Min(end + 1, text.Length)..];
        }

        return new IPAddress(address);
    }

    /// <summary>An IPv6 address (RFC 4291, 2.2) and nothing else. Null if it is anything else.</summary>
    internal static IPAddress? ParseIPv6(ReadOnlySpan<byte> text)
    {
        if (text.Length > MaxLength || text.ContainsAnyExcept(_ofIPv6))
        {
            return null;
        }

        // The framework takes an IPv4 address with zeros in front.
        if (text.Contains((byte)'.') && ParseIPv4(text[(text.LastIndexOf((byte)':') + 1)..]) is null)
        {
            return null;
        }

        return IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? address
            : null;
    }

    /// <summary>Digits without a sign and without zeros in front.</summary>
    internal static bool TryParseNumber(ReadOnlySpan<byte> text, int max, out int number)
    {
        number = 0;
        if (text.Length is 0 or > 5 || (text[0] == '0' && text.Length > 1))
        {
            return false;
        }

        foreach (var digit in text)
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            number = (number * 10) + digit - '0';
        }

        return number <= max;
    }
}
