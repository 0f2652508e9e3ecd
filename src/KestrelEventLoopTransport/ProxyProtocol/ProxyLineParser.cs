using System.Net;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Version 1: a line of text (section 2.1). What does not match it exactly is refused.</summary>
internal static class ProxyLineParser
{
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
        if (!AddressText.TryParseNumber(TakeWord(ref rest), ushort.MaxValue, out var sourcePort)
            || !AddressText.TryParseNumber(rest, ushort.MaxValue, out var destinationPort))
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
        => isIPv4 ? AddressText.ParseIPv4(text) : AddressText.ParseIPv6(text);
}
