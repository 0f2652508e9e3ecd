namespace KestrelEventLoopTransport.Native;

/// <summary>
/// <c>struct mmsghdr</c> of 64-bit Linux: a message, and the number of bytes that were sent or received.
/// </summary>
internal struct mmsghdr
{
    public msghdr msg_hdr;
    public uint msg_len;
}
