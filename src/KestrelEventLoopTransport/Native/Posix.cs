namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Constants that are the same on Linux, macOS and FreeBSD. <see cref="Platform"/> has those that differ.
/// </summary>
internal static class Posix
{
    internal const int AF_UNIX = 1;
    internal const int AF_INET = 2;
    internal const int SOCK_STREAM = 1;
    internal const int SOCK_DGRAM = 2;
    internal const int IPPROTO_IP = 0;
    internal const int IPPROTO_TCP = 6;
    internal const int TCP_NODELAY = 1;
    internal const int TCP_MAXSEG = 2;
    internal const int IPPROTO_IPV6 = 41;
    internal const int MSG_PEEK = 2;
    internal const int SHUT_RD = 0;
    internal const int SHUT_WR = 1;
    internal const int SHUT_RDWR = 2;
    internal const int F_DUPFD = 0;
    internal const int F_SETFD = 2;
    internal const int FD_CLOEXEC = 1;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int LOCK_EX = 2;
    internal const int LOCK_NB = 4;
    internal const int S_IFMT = 0xF000;
    internal const int S_IFSOCK = 0xC000;
    internal const short POLLIN = 1;
    internal const short POLLHUP = 16;

    /// <summary>Size of <c>struct sockaddr_storage</c>: room for every address family.</summary>
    internal const int SockAddrStorageSize = 128;
}
