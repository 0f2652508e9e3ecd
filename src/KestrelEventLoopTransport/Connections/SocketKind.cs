using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections;

/// <summary>Says which sockets the transport can serve of those that were passed to the process.</summary>
internal static unsafe class SocketKind
{
    /// <summary>
    /// Whether a descriptor is a TCP or Unix stream socket. Other sockets have no streams, or preserve message
    /// boundaries. True also for a descriptor that is not a socket: binding reports that.
    /// </summary>
    internal static bool IsServed(FileHandleEndPoint handle)
    {
        var fd = (int)Math.Min(handle.FileHandle, int.MaxValue);
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        if (Libc.getsockname(fd, address, &length) < 0)
        {
            return true;
        }

        if (GetOption(fd, Platform.SO_TYPE) != Posix.SOCK_STREAM)
        {
            return false;
        }

        var local = SocketAddressBytes.Span(address, length);
        // A system without SO_PROTOCOL has no other protocol of that type.
        return SocketAddressBytes.IsUnix(local)
            || (SocketAddressBytes.IsIP(local) && GetOption(fd, Platform.SO_PROTOCOL) is null or Posix.IPPROTO_TCP);
    }

    private static int? GetOption(int fd, int name)
    {
        int value;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, Platform.SOL_SOCKET, name, &value, &length) == 0 ? value : null;
    }
}
