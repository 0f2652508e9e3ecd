namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct iovec</c>.</summary>
internal unsafe struct IOVector
{
    public byte* Base;
    public nuint Length;
}
