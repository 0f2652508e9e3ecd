namespace KestrelEventLoopTransport.Native;

/// <summary>The parts of <c>struct tcp_info</c> (linux/tcp.h) that the status page shows. Linux only.</summary>
/// <param name="RoundTripMicroseconds">Smoothed round-trip time; 0 when there is no sample yet.</param>
/// <param name="Retransmits">Segments that were sent again, since the connection was made.</param>
/// <param name="IdleMilliseconds">Time since data was last sent or received.</param>
internal readonly record struct TcpInfo(uint RoundTripMicroseconds, uint Retransmits, uint IdleMilliseconds)
{
    /// <summary>Asks the kernel. Null when it does not know all of it.</summary>
    internal static unsafe TcpInfo? Read(int fd)
    {
        // Eight bytes of flags and small numbers come first. The indexes count words of 32 bits.
        const int LastDataSent = 11;
        const int LastDataReceived = 13;
        const int RoundTripTime = 17;
        const int TotalRetransmits = 25;
        const uint Size = (TotalRetransmits + 1) * sizeof(uint);
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var words = stackalloc uint[TotalRetransmits + 1];
        var length = Size;
        return Libc.getsockopt(fd, Posix.IPPROTO_TCP, Linux.TCP_INFO, words, &length) == 0 && length == Size
            ? new(words[RoundTripTime], words[TotalRetransmits], Math.Min(words[LastDataSent], words[LastDataReceived]))
            : null;
    }
}
