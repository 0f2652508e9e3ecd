using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The kernel's accept queue of a listening socket. Linux only, and TCP only.</summary>
/// <param name="Length">Number of connections in it.</param>
/// <param name="Limit">Number of connections that it may hold.</param>
internal readonly record struct KernelQueue(long Length, long Limit)
{
    /// <summary>The sum of those that are known; null when none is.</summary>
    internal static KernelQueue? Sum(IEnumerable<KernelQueue?> queues)
        => queues.Aggregate((KernelQueue?)null, static (sum, queue) => queue is { } found
            ? new(found.Length + (sum?.Length ?? 0), found.Limit + (sum?.Limit ?? 0))
            : sum);

    /// <summary>Asks the kernel. Null when it does not report the queue.</summary>
    internal static KernelQueue? Read(int fd)
    {
        // struct tcp_info (linux/tcp.h): of a listening socket, tcpi_unacked is the queue's length and tcpi_sacked its
        // limit (net/ipv4/tcp.c: tcp_get_info).
        return SocketCalls.GetTcpInfo(fd, out var info) >= tcp_info.sacked + sizeof(uint)
            ? new(At(info, tcp_info.unacked), At(info, tcp_info.sacked))
            : null;
    }

    private static uint At(ReadOnlySpan<byte> info, int offset) => MemoryMarshal.Read<uint>(info[offset..]);
}
