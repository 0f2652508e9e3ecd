using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Which sockets the transport can serve of those that somebody else made.</summary>
internal static unsafe class SocketKind
{
    /// <summary>
    /// Whether it is a stream socket of TCP or a Unix one: others have no streams, or end a receive where their
    /// messages end. True also for what is no socket at all: binding then says so.
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
        // A system that does not tell has no other protocol of that type.
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
