namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct cmsghdr</c> of 64-bit Linux. The data follows it.</summary>
internal struct cmsghdr
{
    public nuint cmsg_len;
    public int cmsg_level;
    public int cmsg_type;
}
