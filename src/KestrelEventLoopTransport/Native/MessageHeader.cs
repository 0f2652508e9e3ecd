namespace KestrelEventLoopTransport.Native;

/// <summary>
/// <c>struct msghdr</c> of 64-bit Linux. macOS and FreeBSD count in 32 bits what Linux counts in 64: on little-endian
/// processors the same bytes, except for <see cref="Flags"/>, which theirs has in the upper half of
/// <see cref="ControlLength"/>.
/// </summary>
internal unsafe struct MessageHeader
{
    public byte* Name;
    public uint NameLength;
    public IOVector* Vectors;
    public nuint VectorCount;
    public byte* Control;
    public nuint ControlLength;
    public int Flags;
}
