using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>System calls that .NET does not offer and that a test needs to look behind the transport.</summary>
internal static partial class Libc
{
    public const int AF_UNIX = 1;
    public const int SOCK_STREAM = 1;
    public const int F_DUPFD = 0;
    public const int F_GETFD = 1;
    public const int SOL_SOCKET = 1;
    public const int SO_REUSEADDR = 2;
    public const int SO_SNDBUF = 7;
    public const int SO_PRIORITY = 12;
    public const int SO_LINGER = 13;
    public const int SO_REUSEPORT = 15;
    public const int SO_ACCEPTCONN = 30;
    public const int SO_MARK = 36;
    public const int IPPROTO_TCP = 6;
    public const int TCP_KEEPIDLE = 4;
    public const int TCP_KEEPINTVL = 5;
    public const int TCP_INFO = 11;
    public const int TCP_QUICKACK = 12;
    public const int TCP_CONGESTION = 13;
    public const int IPPROTO_IPV6 = 41;
    public const int IPV6_V6ONLY = 26;
    public const int POLLERR = 8;
    public const int RLIMIT_NOFILE = 7;
    public const int RLIMIT_AS = 9;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int bind(int fd, byte* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int listen(int fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint send(int fd, byte[] buffer, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int dup(int fd);

    [LibraryImport("libc")]
    public static partial int gettid();

    [LibraryImport("libc", SetLastError = true)]
    public static partial int tgkill(int process, int thread, int signal);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fcntl(int fd, int command);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int getsockopt(int fd, int level, int name, byte* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getrlimit(int resource, ref ResourceLimit limit);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setrlimit(int resource, ref ResourceLimit limit);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int prctl(int option, nuint first, nuint second, nuint third, nuint fourth);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int capget(uint* header, uint* data);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int capset(uint* header, uint* data);

    /// <summary>What poll(2) says of a descriptor that nothing is asked about: errors and hang-ups.</summary>
    public static unsafe int PollEvents(int fd)
    {
        var descriptor = new PollDescriptor { Descriptor = fd };
        Assert.True(poll(&descriptor, 1, 0) >= 0);
        return descriptor.Returned;
    }

    /// <summary>
    /// Binds a Unix socket with nothing that would remove its file afterwards; returns the descriptor.
    /// </summary>
    public static int BindUnix(string path)
    {
        var fd = socket(AF_UNIX, SOCK_STREAM, 0);
        BindUnix(fd, path);
        return fd;
    }

    public static unsafe void BindUnix(int fd, string path)
    {
        var address = stackalloc byte[110];
        new Span<byte>(address, 110).Clear();
        address[0] = AF_UNIX;
        var length = System.Text.Encoding.UTF8.GetBytes(path, new Span<byte>(address + 2, 108));
        Assert.Equal(0, bind(fd, address, (uint)(2 + length)));
    }

    public static unsafe byte[] GetSocketOptionBytes(int fd, int level, int name)
    {
        var value = stackalloc byte[64];
        uint length = 64;
        Assert.Equal(0, getsockopt(fd, level, name, value, &length));
        return new Span<byte>(value, (int)length).ToArray();
    }

    public static unsafe int GetSocketOption(int fd, int level, int name)
    {
        int value;
        uint length = sizeof(int);
        Assert.Equal(0, getsockopt(fd, level, name, (byte*)&value, &length));
        return value;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Asked;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ResourceLimit
    {
        public ulong Current;
        public ulong Maximum;
    }
}
