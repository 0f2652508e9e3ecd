using System.Buffers.Binary;

namespace Dns;

/// <summary>A query: a header, one question, and perhaps an OPT record (RFC 1035, section 4; RFC 6891).</summary>
internal ref struct Query
{
    public const int HeaderSize = 12;

    // The longest name is 255 bytes on the wire.
    private const int MaxName = 255;
    private const int DefaultDatagramSize = 512;

    private ReadOnlySpan<byte> _rest;

    /// <summary>The header and the question, which the answer repeats.</summary>
    public ReadOnlySpan<byte> Question { get; private set; }

    public RecordType Type { get; private set; }

    public ushort Class { get; private set; }

    public bool HasOptions { get; private set; }

    /// <summary>The longest datagram that the asker takes.</summary>
    public int DatagramSize { get; private set; }

    /// <summary>Reads a query.</summary>
    /// <param name="message">The message, with at least a header.</param>
    /// <param name="name">Room for the name. It gets the labels in lower case, with dots between them.</param>
    /// <param name="length">The length of the name.</param>
    /// <returns>False if it is not one question.</returns>
    public bool TryRead(ReadOnlySpan<byte> message, scoped Span<char> name, out int length)
    {
        length = 0;
        DatagramSize = DefaultDatagramSize;
        _rest = message[HeaderSize..];
        if (BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != 1 || !TryReadName(name, out length)
            || _rest.Length < 4)
        {
            return false;
        }

        Type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(_rest);
        Class = BinaryPrimitives.ReadUInt16BigEndian(_rest[2..]);
        _rest = _rest[4..];
        Question = message[..^_rest.Length];

        // The owner of an OPT record is the root; its class is the size of a datagram.
        if (_rest.Length >= 11 && _rest[0] == 0
            && BinaryPrimitives.ReadUInt16BigEndian(_rest[1..]) == (ushort)RecordType.OPT)
        {
            HasOptions = true;
            DatagramSize = Math.Max(DefaultDatagramSize, (int)BinaryPrimitives.ReadUInt16BigEndian(_rest[3..]));
        }

        return true;
    }

    private bool TryReadName(scoped Span<char> name, out int length)
    {
        length = 0;
        while (!_rest.IsEmpty)
        {
            // No compression: the upper bits of a length are zero in a question.
            int label = _rest[0];
            _rest = _rest[1..];
            if (label == 0)
            {
                return true;
            }

            if (label > 63 || label > _rest.Length || length + label + 1 > MaxName)
            {
                return false;
            }

            if (length != 0)
            {
                name[length++] = '.';
            }

            foreach (var letter in _rest[..label])
            {
                name[length++] = char.ToLowerInvariant((char)letter);
            }

            _rest = _rest[label..];
        }

        return false;
    }
}
