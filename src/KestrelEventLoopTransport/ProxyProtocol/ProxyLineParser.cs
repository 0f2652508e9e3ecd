using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Version 1: a line of text (section 2.1). What does not match it exactly is refused.</summary>
internal static class ProxyLineParser
{
    // An IPv6 address with an IPv4 address at its end (RFC 4291, 2.2): HAProxy writes mapped addresses so.
    private const int MaxAddressLength = 45;

    // Without brackets, ports, prefixes and scopes, which the framework takes too.
    private static readonly SearchValues<byte> _ofIPv6 = SearchValues.Create("0123456789abcdefABCDEF:."u8);

    /// <param name="line">The line with CR LF.</param>
    /// <param name="problem">What is wrong, when there is no header.</param>
    internal static ProxyProtocolHeader? Parse(ReadOnlySpan<byte> line, out ProxyHeaderProblem? problem)
    {
        problem = null;
        var rest = line[ProxyHeaderFormat.Signature1.Length..^2];
        if (rest.SequenceEqual("UNKNOWN"u8) || rest.StartsWith("UNKNOWN "u8))
        {
            return new ProxyProtocolHeader { Version = ProxyProtocolVersions.V1 };
        }

        var kind = TakeWord(ref rest);
        var isIPv4 = kind.SequenceEqual("TCP4"u8);
        if (!isIPv4 && !kind.SequenceEqual("TCP6"u8))
        {
            problem = ProxyHeaderProblem.Malformed("Its line is neither of TCP4, TCP6 nor UNKNOWN.");
            return null;
        }

        var source = ParseAddress(TakeWord(ref rest), isIPv4);
        var destination = ParseAddress(TakeWord(ref rest), isIPv4);
        if (source is null || destination is null)
        {
            problem = ProxyHeaderProblem.Malformed("An address in its line is not valid.");
            return null;
        }

        // The last word is what is left: a space in it makes it no number.
        if (!TryParseNumber(TakeWord(ref rest), ushort.MaxValue, out var sourcePort)
            || !TryParseNumber(rest, ushort.MaxValue, out var destinationPort))
        {
            problem = ProxyHeaderProblem.Malformed("A port in its line is not valid.");
            return null;
        }

        return new ProxyProtocolHeader
        {
            Version = ProxyProtocolVersions.V1,
            Source = new IPEndPoint(source, sourcePort),
            Destination = new IPEndPoint(destination, destinationPort),
        };
    }

    /// <summary>Takes what is before the next space, and the space. Empty when there is no space.</summary>
    private static ReadOnlySpan<byte> TakeWord(ref ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOf((byte)' ');
        if (end < 0)
        {
            return default;
        }

        var word = rest[..end];
        rest = rest[(end + 1)..];
        return word;
    }

    private static IPAddress? ParseAddress(ReadOnlySpan<byte> text, bool isIPv4)
        => isIPv4 ? ParseIPv4(text) : ParseIPv6(text);

    private static IPAddress? ParseIPv4(ReadOnlySpan<byte> text)
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

    private static IPAddress? ParseIPv6(ReadOnlySpan<byte> text)
    {
        if (text.Length > MaxAddressLength || text.ContainsAnyExcept(_ofIPv6))
        {
            return null;
        }

        // The framework takes an IPv4 address with zeros in front.
        if (text.Contains((byte)'.') && ParseIPv4(text[(text.LastIndexOf((byte)':') + 1)..]) is null)
        {
            return null;
        }

        Span<char> characters = stackalloc char[text.Length];
        Encoding.ASCII.GetChars(text, characters);
        return IPAddress.TryParse(characters, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? address
            : null;
    }

    /// <summary>Digits without a sign and without zeros in front.</summary>
    private static bool TryParseNumber(ReadOnlySpan<byte> text, int max, out int number)
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
