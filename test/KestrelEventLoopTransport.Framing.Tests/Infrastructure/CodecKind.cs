namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

public enum CodecKind
{
    Line,
    StrictLine,
    Delimited,
    FixedLength,
    LengthPrefixed,
    LengthField,
    Varint32,
    Custom,
}
