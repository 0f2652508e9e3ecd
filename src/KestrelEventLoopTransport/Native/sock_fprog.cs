namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct sock_fprog</c> (<c>linux/filter.h</c>): a program of classic BPF.</summary>
internal unsafe struct sock_fprog
{
    public ushort len;
    public sock_filter* filter;
}
