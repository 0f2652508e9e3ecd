using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Multicast options of a socket. Groups are joined by the calls of RFC 3678, section 5, which name the interface by
/// its index and are the same for IPv4 and IPv6.
/// </summary>
internal static class MulticastSocket
{
    /// <summary>Sets how the socket sends.</summary>
    /// <exception cref="SocketException">The kernel refuses an option, or there is no such interface.</exception>
    internal static void Configure(int fd, AddressFamily family, MulticastOptions options)
    {
        if (options.Interface is { } name)
        {
            SetInterface(fd, family, IndexOf(name));
        }

        if (options.TimeToLive is { } hops)
        {
            Set(fd, family, nameof(options.TimeToLive), Platform.IP_MULTICAST_TTL, Platform.IPV6_MULTICAST_HOPS, hops);
        }

        if (options.Loopback is { } loops)
        {
            Set(
                fd, family, nameof(options.Loopback), Platform.IP_MULTICAST_LOOP, Platform.IPV6_MULTICAST_LOOP,
                loops ? 1 : 0);
        }
    }

    /// <exception cref="SocketException">The kernel refuses, or there is no such interface.</exception>
    internal static void Join(int fd, AddressFamily family, MulticastGroup group)
        => Change(
            fd, family, group, "joined",
            group.Source is null ? Platform.MCAST_JOIN_GROUP : Platform.MCAST_JOIN_SOURCE_GROUP);

    /// <exception cref="SocketException">The kernel refuses: the group was not joined.</exception>
    internal static void Leave(int fd, AddressFamily family, MulticastGroup group)
        => Change(
            fd, family, group, "left",
            group.Source is null ? Platform.MCAST_LEAVE_GROUP : Platform.MCAST_LEAVE_SOURCE_GROUP);

    private static void Change(int fd, AddressFamily family, MulticastGroup group, string change, int option)
    {
        var address = IPAddress.Parse(group.Address);
        var isIPv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        var name = $"multicast group {group.Address}"
            + (group.Interface is null ? "" : $" on {group.Interface}")
            + (group.Source is null ? "" : $" from {group.Source}");
        if (isIPv6 && family != AddressFamily.InterNetworkV6)
        {
            throw new SocketException(
                (int)SocketError.AddressFamilyNotSupported,
                $"{name} cannot be {change}: the endpoint is not an IPv6 one");
        }

        var request = ToRequest(
            group.Interface is null ? 0 : IndexOf(group.Interface),
            address,
            group.Source is null ? null : IPAddress.Parse(group.Source));
        var level = isIPv6 ? Posix.IPPROTO_IPV6 : Posix.IPPROTO_IP;
        if (new SocketOption(name, level, option, request).TrySet(fd) is not 0 and var error)
        {
            throw Errno.ToException(error, $"{name} cannot be {change}");
        }
    }

    /// <summary>A <c>struct group_req</c> or <c>group_source_req</c>.</summary>
    private static byte[] ToRequest(int interfaceIndex, IPAddress group, IPAddress? source)
    {
        // The addresses are aligned to 8 bytes, but on macOS the structs are packed (bsd/netinet/in.h).
        var start = OperatingSystem.IsMacOS() ? sizeof(int) : 8;
        var request = new byte[start + (Posix.SockAddrStorageSize * (source is null ? 1 : 2))];
        MemoryMarshal.Write(request, interfaceIndex);
        SocketAddressBytes.OfEndPoint(new IPEndPoint(group, 0)).CopyTo(request.AsSpan(start));
        if (source is not null)
        {
            SocketAddressBytes.OfEndPoint(new IPEndPoint(source, 0))
                .CopyTo(request.AsSpan(start + Posix.SockAddrStorageSize));
        }

        return request;
    }

    private static void SetInterface(int fd, AddressFamily family, int index)
    {
        const string Option = nameof(MulticastOptions.Interface);
        if (family == AddressFamily.InterNetworkV6)
        {
            SocketOption.FromInt32(Option, Posix.IPPROTO_IPV6, Platform.IPV6_MULTICAST_IF, index).Set(fd);
        }

        if (HasIPv4Options(family))
        {
            // struct ip_mreqn: two addresses and the index.
            var request = new byte[12];
            MemoryMarshal.Write(request.AsSpan(8), index);
            new SocketOption(Option, Posix.IPPROTO_IP, Platform.IP_MULTICAST_IF, request).Set(fd);
        }
    }

    private static void Set(int fd, AddressFamily family, string option, int name4, int name6, int value)
    {
        if (family == AddressFamily.InterNetworkV6)
        {
            SocketOption.FromInt32(option, Posix.IPPROTO_IPV6, name6, value).Set(fd);
        }

        if (HasIPv4Options(family))
        {
            SocketOption.FromInt32(option, Posix.IPPROTO_IP, name4, value).Set(fd);
        }
    }

    /// <summary>On Linux an IPv6 socket has them too, for the IPv4 datagrams of a dual-stack one.</summary>
    private static bool HasIPv4Options(AddressFamily family)
        => family == AddressFamily.InterNetwork || OperatingSystem.IsLinux();

    private static unsafe int IndexOf(string name)
    {
        if (int.TryParse(name, out var index))
        {
            return index;
        }

        var action = $"the network interface {name} cannot be found";
        fixed (byte* bytes = System.Text.Encoding.UTF8.GetBytes(name + '\0'))
        {
            index = (int)Libc.if_nametoindex(bytes);
            return index != 0 ? index : throw Errno.ToException(Errno.Last, action);
        }
    }
}
