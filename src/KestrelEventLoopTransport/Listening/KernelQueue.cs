using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The kernel's accept queue of a listening socket. Linux only, and TCP only.</summary>
/// <param name="Length">Number of connections in it.</param>
/// <param name="Limit">Number of connections that it may hold.</param>
internal readonly record struct KernelQueue(long Length, long Limit)
{
    public static KernelQueue operator +(KernelQueue left, KernelQueue right)
        => new(left.Length + right.Length, left.Limit + right.Limit);

    /// <summary>Asks the kernel. Null when it does not report the queue.</summary>
    internal static unsafe KernelQueue? Read(int fd)
    {
        // struct tcp_info (linux/tcp.h): of a listening socket, tcpi_unacked is the queue's length and tcpi_sacked its
        // limit (net/ipv4/tcp.c: tcp_get_info).
        const int Unacked = 6;
        const int Sacked = 7;
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var values = stackalloc uint[Sacked + 1];
        uint length = (Sacked + 1) * sizeof(uint);
        return Libc.getsockopt(fd, Posix.IPPROTO_TCP, Linux.TCP_INFO, values, &length) == 0
            && length == (Sacked + 1) * sizeof(uint)
                ? new(values[Unacked], values[Sacked])
                : null;
    }
}
