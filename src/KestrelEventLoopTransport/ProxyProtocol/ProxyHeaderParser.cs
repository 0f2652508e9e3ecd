using System.Diagnostics;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Makes a <see cref="ProxyProtocolHeader"/> of the bytes of a whole header.</summary>
internal static class ProxyHeaderParser
{
    /// <summary>Null when there is a problem.</summary>
    /// <param name="bytes">A header as <see cref="ProxyHeaderScan"/> has measured it, and nothing behind it.</param>
    /// <param name="problem">What is wrong; null when the header is right.</param>
    internal static ProxyProtocolHeader? Parse(ReadOnlySpan<byte> bytes, out ProxyHeaderProblem? problem)
    {
        var isLine = bytes[0] == ProxyHeaderFormat.Signature1[0];
        var header = isLine ? ProxyLineParser.Parse(bytes, out problem) : ProxyBlockParser.Parse(bytes, out problem);
        Debug.Assert(header is null == problem is not null, "There is a header or a problem.");
        return header;
    }
}
