namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
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
