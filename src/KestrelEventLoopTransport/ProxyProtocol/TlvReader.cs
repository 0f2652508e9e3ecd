using System.Buffers.Binary;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>Reads the fields of a header, or those within a field: type, length in 2 bytes, value.</summary>
internal ref struct TlvReader(ReadOnlySpan<byte> bytes)
{
    /// <summary>The length of type and length.</summary>
    internal const int PrefixLength = 3;

    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>False after the last field: then the bytes were fields and nothing else.</summary>
    internal readonly bool IsAtEnd => _rest.IsEmpty;

    /// <summary>Reads a field. False at the end, and where the bytes end within a field.</summary>
    internal bool TryRead(out byte type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (_rest.Length < PrefixLength)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(_rest[1..]);
        if (_rest.Length - PrefixLength < length)
        {
            return false;
        }

        type = _rest[0];
        value = _rest.Slice(PrefixLength, length);
        _rest = _rest[(PrefixLength + length)..];
        return true;
    }
}
