namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct iovec</c>.</summary>
internal unsafe struct iovec
{
    public byte* iov_base;
    public nuint iov_len;
}
