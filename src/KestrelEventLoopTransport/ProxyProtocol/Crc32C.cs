using System.Buffers.Binary;
using System.Numerics;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>
/// The checksum of a header: CRC-32C (RFC 4960, appendix B). <see cref="BitOperations"/> uses the processor's
/// instruction where there is one.
/// </summary>
internal static class Crc32C
{
    /// <summary>The checksum of a header, with zeros in place of the checksum itself.</summary>
    /// <param name="header">The header.</param>
    /// <param name="offset">Where its checksum is.</param>
    internal static uint OfHeader(ReadOnlySpan<byte> header, int offset)
    {
        var crc = Append(uint.MaxValue, header[..offset]);
        crc = BitOperations.Crc32C(crc, 0u);
        return ~Append(crc, header[(offset + sizeof(uint))..]);
    }

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
