namespace KestrelEventLoopTransport.Framing.Tests;

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
