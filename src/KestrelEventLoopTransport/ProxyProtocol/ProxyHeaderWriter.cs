using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Writes headers of both versions, in one piece.</summary>
internal static class ProxyHeaderWriter
{
    internal static void Write(ProxyProtocolHeader header, IBufferWriter<byte> writer)
    {
        switch (header.Version)
        {
            case ProxyProtocolVersions.V1 when header.Tlvs.Count != 0:
                throw new InvalidOperationException("A PROXY header of version 1 cannot have additional fields.");
            case ProxyProtocolVersions.V1:
                WriteLine(header, writer);
                break;
            case ProxyProtocolVersions.V2:
                WriteBlock(header, writer);
                break;
            default:
                throw new InvalidOperationException($"A PROXY header cannot be of version '{header.Version}'.");
        }
    }

    private static void WriteLine(ProxyProtocolHeader header, IBufferWriter<byte> writer)
    {
        var isIPv4 = header.AddressFamily == AddressFamily.InterNetwork;
        if (!isIPv4 && header.AddressFamily != AddressFamily.InterNetworkV6)
        {
            writer.Write("PROXY UNKNOWN\r\n"u8);
            return;
        }

        var addresses = $"{Text(header.Source, isIPv4)} {Text(header.Destination, isIPv4)}";
        var ports = FormattableString.Invariant($"{Port(header.Source)} {Port(header.Destination)}");
        Encoding.ASCII.GetBytes($"PROXY {(isIPv4 ? "TCP4" : "TCP6")} {addresses} {ports}\r\n", writer);
    }

    private static int Port(EndPoint? endPoint) => ((IPEndPoint)endPoint!).Port;

    /// <summary>An address without scope. A mapped address is written with hexadecimal digits only.</summary>
    private static string Text(EndPoint? endPoint, bool isIPv4)
    {
        Span<byte> bytes = stackalloc byte[isIPv4 ? 4 : 16];
        WriteAddress((IPEndPoint)endPoint!, bytes);
        var address = new IPAddress(bytes);
        if (!address.IsIPv4MappedToIPv6)
        {
            return address.ToString();
        }

        var high = BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]);
        var low = BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        return $"::ffff:{high:x}:{low:x}";
    }

    private static void WriteBlock(ProxyProtocolHeader header, IBufferWriter<byte> writer)
    {
        var (family, transport) = header.AddressFamily switch
        {
            AddressFamily.InterNetwork => (ProxyHeaderFormat.Inet, ProxyHeaderFormat.Stream),
            AddressFamily.InterNetworkV6 => (ProxyHeaderFormat.Inet6, ProxyHeaderFormat.Stream),
            AddressFamily.Unix => (ProxyHeaderFormat.Unix, ProxyHeaderFormat.Stream),
            _ => (0, 0),
        };
        var addressLength = ProxyHeaderFormat.AddressLength(family);
        var length = addressLength + LengthOf(header.Tlvs);
        if (length > ushort.MaxValue)
        {
            throw new InvalidOperationException(
                $"The PROXY header has {length} bytes behind its fixed part; the limit is 65535.");
        }

        var bytes = writer.GetSpan(ProxyHeaderFormat.FixedLength + length)[..(ProxyHeaderFormat.FixedLength + length)];
        ProxyHeaderFormat.Signature2.CopyTo(bytes);
        bytes[ProxyHeaderFormat.VersionOffset] = (byte)((ProxyHeaderFormat.Version2 << 4) | (int)header.Command);
        bytes[ProxyHeaderFormat.FamilyOffset] = (byte)((family << 4) | transport);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[ProxyHeaderFormat.LengthOffset..], (ushort)length);
        WriteAddresses(header, bytes.Slice(ProxyHeaderFormat.FixedLength, addressLength));
        var checksum = WriteFields(header.Tlvs, bytes, ProxyHeaderFormat.FixedLength + addressLength);
        if (checksum >= 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes[checksum..], Crc32C.OfHeader(bytes, checksum));
        }

        writer.Advance(bytes.Length);
    }

    /// <summary>The length of all fields, once they are checked.</summary>
    private static int LengthOf(IReadOnlyList<ProxyProtocolTlv> tlvs)
    {
        var length = 0L;
        var hasChecksum = false;
        foreach (var (type, value) in tlvs)
        {
            length += TlvReader.PrefixLength + value.Length;
            if (type == ProxyProtocolTlvType.Crc32C)
            {
                if (hasChecksum || value.Length != sizeof(uint))
                {
                    throw new InvalidOperationException("The checksum of a PROXY header is one field of 4 bytes.");
                }

                hasChecksum = true;
            }
            else if (type == ProxyProtocolTlvType.UniqueId && value.Length > ProxyHeaderFormat.MaxUniqueIdLength)
            {
                throw new InvalidOperationException($"The unique id has {value.Length} bytes; the limit is 128.");
            }
        }

        return (int)Math.Min(length, int.MaxValue / 2);
    }

    private static void WriteAddresses(ProxyProtocolHeader header, Span<byte> target)
    {
        switch (header.Source, header.Destination)
        {
            case var _ when target.IsEmpty:
                break;
            case (IPEndPoint source, IPEndPoint destination):
                var length = (target.Length / 2) - sizeof(ushort);
                WriteAddress(source, target[..length]);
                WriteAddress(destination, target.Slice(length, length));
                var ports = target[(2 * length)..];
                BinaryPrimitives.WriteUInt16BigEndian(ports, (ushort)source.Port);
                BinaryPrimitives.WriteUInt16BigEndian(ports[sizeof(ushort)..], (ushort)destination.Port);
                break;
            case (UnixDomainSocketEndPoint source, UnixDomainSocketEndPoint destination):
                UnixSocketAddress.WritePath(source, target[..ProxyHeaderFormat.UnixPathLength]);
                UnixSocketAddress.WritePath(destination, target[ProxyHeaderFormat.UnixPathLength..]);
                break;
        }
    }

    /// <summary>Writes an address in the form that fits: 4 bytes, or 16.</summary>
    private static void WriteAddress(IPEndPoint endPoint, Span<byte> target)
    {
        var address = target.Length == 4 ? endPoint.Address.MapToIPv4() : endPoint.Address.MapToIPv6();
        address.TryWriteBytes(target, out _);
    }

    /// <summary>Returns where the checksum is; -1 when there is none.</summary>
    private static int WriteFields(IReadOnlyList<ProxyProtocolTlv> tlvs, Span<byte> bytes, int offset)
    {
        var checksum = -1;
        foreach (var (type, value) in tlvs)
        {
            bytes[offset] = (byte)type;
            BinaryPrimitives.WriteUInt16BigEndian(bytes[(offset + 1)..], (ushort)value.Length);
            offset += TlvReader.PrefixLength;
            value.Span.CopyTo(bytes[offset..]);
            if (type == ProxyProtocolTlvType.Crc32C)
            {
                checksum = offset;
            }

            offset += value.Length;
        }

        return checksum;
    }
}
