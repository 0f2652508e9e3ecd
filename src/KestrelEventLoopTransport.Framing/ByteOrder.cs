namespace KestrelEventLoopTransport.Framing;

/// <summary>Order of the bytes of a length field.</summary>
public enum ByteOrder
{
    /// <summary>Most significant byte first: network byte order.</summary>
    BigEndian,

    /// <summary>Least significant byte first.</summary>
    LittleEndian,
}
