using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>A message that is sent: <c>struct msghdr</c> with its address and ancillary data.</summary>
internal static unsafe class DatagramMessage
{
    /// <summary>Room for the size of segments: a <c>cmsghdr</c> and two bytes, aligned.</summary>
    internal const int SegmentSpace = 24;

    /// <summary>Describes a message.</summary>
    /// <param name="message">What is written.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="name">Room for the address.</param>
    /// <param name="control">Room for <see cref="PacketInfo.MaxSpace"/> bytes.</param>
    /// <param name="family">The family of the socket.</param>
    /// <param name="to">The destination; empty on a connected socket.</param>
    /// <param name="from">The address to leave from; empty if the kernel chooses.</param>
    internal static void Write(
        msghdr* message,
        iovec* payload,
        byte* name,
        byte* control,
        int family,
        in DatagramAddress to,
        in DatagramAddress from)
    {
        var nameLength = to.Write(new Span<byte>(name, DatagramAddress.MaxSizeOf(family)), family);
        var controlLength = PacketInfo.Write(control, in from, family);
        *message = new msghdr
        {
            msg_name = nameLength == 0 ? null : name,
            msg_namelen = (uint)nameLength,
            msg_iov = payload,
            msg_iovlen = 1,
            msg_control = controlLength == 0 ? null : control,
            msg_controllen = (nuint)controlLength,
        };
    }

    /// <summary>The kernel cuts the payload into datagrams of a size (<c>UDP_SEGMENT</c>, <c>udp(7)</c>).</summary>
    /// <param name="message">A message that is written.</param>
    /// <param name="control">Its room for ancillary data, with <see cref="SegmentSpace"/> bytes more.</param>
    /// <param name="size">The size in bytes.</param>
    internal static void AddSegmentSize(msghdr* message, byte* control, int size)
    {
        var data = ControlData.Begin(
            control + message->msg_controllen, Linux.SOL_UDP, Linux.UDP_SEGMENT, sizeof(ushort));
        *(ushort*)data = (ushort)size;
        message->msg_control = control;
        message->msg_controllen += (nuint)ControlData.Space(sizeof(ushort));
    }

    /// <summary>Sends one message. Returns 0 or the error number.</summary>
    internal static int Send(
        int fd, ReadOnlySpan<byte> payload, int family, in DatagramAddress to, in DatagramAddress from)
    {
        var name = stackalloc byte[DatagramAddress.MaxSize];
        var control = stackalloc byte[PacketInfo.MaxSpace];
        msghdr message;
        fixed (byte* bytes = payload)
        {
            var vector = new iovec { iov_base = bytes, iov_len = (nuint)payload.Length };
            Write(&message, &vector, name, control, family, in to, in from);
            while (true)
            {
                if (Libc.sendmsg(fd, &message, Platform.MSG_NOSIGNAL) >= 0)
                {
                    return 0;
                }

                var error = Errno.Last;
                if (error != Errno.EINTR)
                {
                    return error;
                }
            }
        }
    }
}
