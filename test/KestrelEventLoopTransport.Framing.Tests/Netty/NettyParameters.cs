namespace KestrelEventLoopTransport.Framing.Tests.Netty;

/// <summary>
/// The parameters of all of netty's codecs; a case has those of its own. How fast netty fails does not matter.
/// </summary>
internal sealed class NettyParameters
{
    public int MaxLength { get; init; }

    public int MaxFrameLength { get; init; }

    public bool StripDelimiter { get; init; }

    public byte[][]? Delimiters { get; init; }

    public byte[]? Separator { get; init; }

    public int FrameLength { get; init; }

    public string? ByteOrder { get; init; }

    public int LengthFieldOffset { get; init; }

    public int LengthFieldLength { get; init; }

    public int LengthAdjustment { get; init; }

    public int InitialBytesToStrip { get; init; }

    public bool LengthIncludesLengthFieldLength { get; init; }

    public ByteOrder Order => ByteOrder == "little" ? Framing.ByteOrder.LittleEndian : Framing.ByteOrder.BigEndian;
}
