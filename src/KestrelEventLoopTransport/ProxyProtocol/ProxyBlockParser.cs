using System.Buffers.Binary;
using System.Net;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Version 2: a binary header (section 2.2).</summary>
internal static class ProxyBlockParser
{
    /// <param name="bytes">The header. Its fixed part is right, and its addresses fit into it.</param>
    /// <param name="problem">What is wrong, when there is no header.</param>
    internal static ProxyProtocolHeader? Parse(ReadOnlySpan<byte> bytes, out ProxyHeaderProblem? problem)
    {
        problem = null;
        if ((bytes[ProxyHeaderFormat.VersionOffset] & 0xF) == (int)ProxyProtocolCommand.Local)
        {
            // The rest is skipped, whatever it is.
            return ProxyProtocolHeader.Local;
        }

        var family = bytes[ProxyHeaderFormat.FamilyOffset] >> 4;
        var addressLength = ProxyHeaderFormat.AddressLength(family);
        var fields = bytes[(ProxyHeaderFormat.FixedLength + addressLength)..];
        problem = Check(fields, out var count, out var checksum);
        if (problem is not null && family == ProxyHeaderFormat.Unspecified)
        {
            // Addresses of a family that has no number may be in front of the fields. All of it is ignored then.
            problem = null;
            fields = default;
            count = 0;
            checksum = -1;
        }

        if (problem is null && checksum >= 0)
        {
            problem = CheckChecksum(bytes, ProxyHeaderFormat.FixedLength + addressLength + checksum);
        }

        if (problem is not null)
        {
            return null;
        }

        var isStream = (bytes[ProxyHeaderFormat.FamilyOffset] & 0xF) == ProxyHeaderFormat.Stream;
        var addresses = bytes.Slice(ProxyHeaderFormat.FixedLength, addressLength);
        return new ProxyProtocolHeader
        {
            Source = isStream ? ToEndPoint(addresses, family, 0) : null,
            Destination = isStream ? ToEndPoint(addresses, family, 1) : null,
            Tlvs = count == 0 ? [] : Copy(fields, count),
        };
    }

    /// <summary>Looks at the fields without keeping anything.</summary>
    /// <param name="fields">The bytes behind the addresses.</param>
    /// <param name="count">The number of fields that are not padding.</param>
    /// <param name="checksum">Where the value of the checksum begins; -1 when there is none.</param>
    private static ProxyHeaderProblem? Check(ReadOnlySpan<byte> fields, out int count, out int checksum)
    {
        count = 0;
        checksum = -1;
        var end = 0;
        var reader = new TlvReader(fields);
        while (reader.TryRead(out var type, out var value))
        {
            end += TlvReader.PrefixLength + value.Length;
            count += type == (byte)ProxyProtocolTlvType.NoOp ? 0 : 1;
            switch ((ProxyProtocolTlvType)type)
            {
                case ProxyProtocolTlvType.Crc32C when value.Length != sizeof(uint) || checksum >= 0:
                    return ProxyHeaderProblem.Malformed("Its checksum is not one field of 4 bytes.");
                case ProxyProtocolTlvType.Crc32C:
                    checksum = end - sizeof(uint);
                    break;
                case ProxyProtocolTlvType.UniqueId when value.Length > ProxyHeaderFormat.MaxUniqueIdLength:
                    return ProxyHeaderProblem.Malformed($"Its unique id has {value.Length} bytes; the limit is 128.");
                case ProxyProtocolTlvType.Ssl when !ProxyProtocolSsl.IsValid(value):
                    return ProxyHeaderProblem.Malformed("A field within its TLS field ends behind it.");
            }
        }

        return reader.IsAtEnd ? null : ProxyHeaderProblem.Malformed("Its last field ends behind the header.");
    }

    private static ProxyHeaderProblem? CheckChecksum(ReadOnlySpan<byte> bytes, int offset)
        => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]) == Crc32C.OfHeader(bytes, offset)
            ? null
            : new(ProxyProtocolFailure.WrongChecksum, "Its checksum is wrong.");

    private static ProxyProtocolTlv[] Copy(ReadOnlySpan<byte> fields, int count)
    {
        var tlvs = new ProxyProtocolTlv[count];
        ReadOnlyMemory<byte> copy = fields.ToArray();
        var reader = new TlvReader(fields);
        var offset = 0;
        for (var i = 0; reader.TryRead(out var type, out var value);)
        {
            offset += TlvReader.PrefixLength;
            if (type != (byte)ProxyProtocolTlvType.NoOp)
            {
                tlvs[i++] = new((ProxyProtocolTlvType)type, copy.Slice(offset, value.Length));
            }

            offset += value.Length;
        }

        return tlvs;
    }

    /// <summary>The first or the second address, with its port behind both addresses.</summary>
    private static EndPoint? ToEndPoint(ReadOnlySpan<byte> addresses, int family, int index)
    {
        switch (family)
        {
            case ProxyHeaderFormat.Inet or ProxyHeaderFormat.Inet6:
                var length = (addresses.Length / 2) - sizeof(ushort);
                var ports = addresses[(2 * length)..];
                return new IPEndPoint(
                    new IPAddress(addresses.Slice(index * length, length)),
                    BinaryPrimitives.ReadUInt16BigEndian(ports[(index * sizeof(ushort))..]));
            case ProxyHeaderFormat.Unix:
                return UnixSocketAddress.FromPath(addresses.Slice(
                    index * ProxyHeaderFormat.UnixPathLength, ProxyHeaderFormat.UnixPathLength));
            default:
                return null;
        }
    }
}
