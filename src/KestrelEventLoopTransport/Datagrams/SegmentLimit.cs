using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The longest datagrams that a socket lets the kernel cut from a longer message (<c>UDP_SEGMENT</c>). A refusal lowers
/// it for all peers of the socket, because which path a peer has is not known. After ten minutes the kernel is asked
/// anew: for as long it remembers the MTU of a path itself (<c>net.ipv4.route.mtu_expires</c>).
/// </summary>
/// <remarks>
/// Any thread. Two threads that write at once may lose a refusal, and then the kernel refuses once more.
/// </remarks>
/// <param name="hasSegmentation">Whether the kernel cuts messages at all.</param>
internal struct SegmentLimit(bool hasSegmentation)
{
    internal const long MillisecondsUntilRecovery = 10 * 60 * 1000;

    private readonly int _highest = hasSegmentation ? DatagramSendBatch.MaxSegment : 0;
    private int _length = hasSegmentation ? DatagramSendBatch.MaxSegment : 0;
    private long _loweredAt;

    /// <summary>The length now; 0 if the kernel cuts nothing.</summary>
    internal int Length => Volatile.Read(ref _length) == _highest ? _highest : LengthAt(LoopClock.Now);

    /// <summary>The same at a time of <see cref="LoopClock"/>.</summary>
    internal int LengthAt(long now)
    {
        var length = Volatile.Read(ref _length);
        if (length != _highest && now - Volatile.Read(ref _loweredAt) >= MillisecondsUntilRecovery)
        {
            Volatile.Write(ref _length, _highest);
            return _highest;
        }

        return length;
    }

    /// <summary>
    /// The kernel has refused to cut (<c>net/ipv4/udp.c: udp_send_skb</c>): with EIO nothing is cut any more, because
    /// the device makes no checksums or the route encrypts; with EINVAL or EMSGSIZE no segments that exceed the MTU.
    /// </summary>
    /// <param name="error">The error number.</param>
    /// <param name="refused">The length of the segments.</param>
    /// <param name="now">The time, of <see cref="LoopClock"/>.</param>
    internal void Refuse(int error, int refused, long now)
    {
        var length = error switch
        {
            Errno.EIO => 0,
            Errno.EINVAL or Errno.EMSGSIZE => Math.Min(_length, refused - 1),
            _ => _length,
        };
        if (length != _length)
        {
            // The time first: it is read after the length.
            Volatile.Write(ref _loweredAt, now);
            Volatile.Write(ref _length, length);
        }
    }
}
