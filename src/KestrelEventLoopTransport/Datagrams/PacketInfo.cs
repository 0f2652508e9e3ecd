using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Where a packet came to, <c>IP_PKTINFO</c> and <c>IPV6_PKTINFO</c> (<c>ip(7)</c>, <c>ipv6(7)</c>, RFC 3542). Linux
/// only.
/// </summary>
internal readonly unsafe ref struct PacketInfo
{
    // struct in6_pktinfo: the address and the interface.
    private const int Size6 = 16 + sizeof(int);

    /// <summary>Room for the ancillary data of one message that is sent.</summary>
    internal const int MaxSpace = 40;

    // ::ffff:0:0/96 (RFC 4291, section 2.5.5.2).
    private static ReadOnlySpan<byte> Mapped => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];

    private PacketInfo(ReadOnlySpan<byte> destination, ReadOnlySpan<byte> replySource, int interfaceIndex)
    {
        Destination = destination;
        ReplySource = replySource;
        InterfaceIndex = interfaceIndex;
    }

    /// <summary>The destination in the packet's header.</summary>
    internal ReadOnlySpan<byte> Destination { get; }

    /// <summary>The address of this machine to reply from; empty if the kernel has to choose.</summary>
    internal ReadOnlySpan<byte> ReplySource { get; }

    internal int InterfaceIndex { get; }

    internal static bool TryRead(in msghdr message, out PacketInfo info)
    {
        // The kernel puts the local address of a multicast or broadcast packet into ipi_spec_dst.
        var hasInfo4 = ControlData.TryFind(in message, Posix.IPPROTO_IP, Linux.IP_PKTINFO, out var data4)
            && data4.Length >= sizeof(in_pktinfo);
        if (ControlData.TryFind(in message, Posix.IPPROTO_IPV6, Linux.IPV6_PKTINFO, out var data)
            && data.Length >= Size6)
        {
            // A dual-stack socket has both for an IPv4 packet.
            var address = data[..16];
            var source = hasInfo4 ? data4.Slice(4, 4) : IsGroup(address) ? [] : address;
            info = new(address, source, BitConverter.ToInt32(data[16..]));
            return true;
        }

        info = hasInfo4 ? new(data4.Slice(8, 4), data4.Slice(4, 4), BitConverter.ToInt32(data4)) : default;
        return hasInfo4;
    }

    /// <summary>
    /// Writes the address that a message leaves from. Returns the length for <c>msg_controllen</c>; 0 if the kernel has
    /// to choose.
    /// </summary>
    internal static int Write(byte* control, in DatagramAddress source, int family)
    {
        if (source.IsEmpty || source.IsUnix || family == Posix.AF_UNIX || !OperatingSystem.IsLinux())
        {
            return 0;
        }

        if (family == Posix.AF_INET)
        {
            var address = source.IPAddress;
            if (address.Length != 4)
            {
                return 0;
            }

            var info = (in_pktinfo*)ControlData.Begin(control, Posix.IPPROTO_IP, Linux.IP_PKTINFO, sizeof(in_pktinfo));
            *info = new in_pktinfo { ipi_spec_dst = BitConverter.ToUInt32(address) };
            return ControlData.Space(sizeof(in_pktinfo));
        }

        Span<byte> name = stackalloc byte[SocketAddressBytes.MaxSize];
        source.Write(name, family);
        var data = new Span<byte>(
            ControlData.Begin(control, Posix.IPPROTO_IPV6, Linux.IPV6_PKTINFO, Size6), Size6);
        name.Slice(8, 16).CopyTo(data);

        // The interface of a link-local address; 0 for others.
        name.Slice(24, 4).CopyTo(data[16..]);
        return ControlData.Space(Size6);
    }

    /// <summary>Whether an IPv6 address is none of one machine: multicast, or the broadcast of IPv4, mapped.</summary>
    private static bool IsGroup(ReadOnlySpan<byte> address)
        => address[0] == 0xFF
            || (address.StartsWith(Mapped)
                && ((address[12] & 0xF0) == 0xE0 || address[12..].IndexOfAnyExcept((byte)0xFF) < 0));
}
