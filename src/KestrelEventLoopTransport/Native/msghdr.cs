namespace KestrelEventLoopTransport.Native;

/// <summary>
/// <c>struct msghdr</c> of 64-bit Linux. macOS and FreeBSD count in 32 bits what Linux counts in 64. On little-endian
/// processors these are the same bytes, except that <see cref="msg_flags"/> lies in the upper half of
/// <see cref="msg_controllen"/> there.
/// </summary>
internal unsafe struct msghdr
{
    public byte* msg_name;
    public uint msg_namelen;
    public iovec* msg_iov;
    public nuint msg_iovlen;
    public byte* msg_control;
    public nuint msg_controllen;
    public int msg_flags;
}
