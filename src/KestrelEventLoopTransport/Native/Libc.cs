using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Every system call of the transport. All signatures are blittable: no marshalling code runs. A call that fails
/// returns -1; <see cref="Errno.Last"/>, read at once, says why.
/// </summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    [LibraryImport(Library)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library)]
    internal static partial int bind(int fd, byte* address, uint length);

    [LibraryImport(Library)]
    internal static partial int listen(int fd, int backlog);

    [LibraryImport(Library)]
    internal static partial int accept4(int fd, byte* address, uint* length, int flags);

    [LibraryImport(Library)]
    internal static partial int getsockname(int fd, byte* address, uint* length);

    [LibraryImport(Library)]
    internal static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport(Library)]
    internal static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport(Library)]
    internal static partial nint recv(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library)]
    internal static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport(Library)]
    internal static partial nint send(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library)]
    internal static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport(Library)]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport(Library)]
    internal static partial int close(int fd);

    [LibraryImport(Library)]
    internal static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport(Library)]
    internal static partial nint write(int fd, void* buffer, nuint length);

    [LibraryImport(Library)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Library)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport(Library)]
    internal static partial int epoll_ctl(int epoll, int operation, int fd, byte* epollEvent);

    [LibraryImport(Library)]
    internal static partial int epoll_wait(int epoll, byte* events, int capacity, int timeoutMilliseconds);

    [LibraryImport(Library)]
    internal static partial int statx(int directory, byte* path, int flags, uint mask, FileStatus* status);

    [LibraryImport(Library)]
    internal static partial int open(byte* path, int flags);

    [LibraryImport(Library)]
    internal static partial int flock(int fd, int operation);

    [LibraryImport(Library)]
    internal static partial int chmod(byte* path, uint mode);

    [LibraryImport(Library)]
    internal static partial int fchownat(int directory, byte* path, uint user, uint group, int flags);

    /// <summary>Returns the error number; a result of null and 0 means that there is no such user.</summary>
    [LibraryImport(Library)]
    internal static partial int getpwnam_r(byte* name, byte* entry, byte* buffer, nuint length, byte** result);

    /// <summary>Returns the error number; a result of null and 0 means that there is no such group.</summary>
    [LibraryImport(Library)]
    internal static partial int getgrnam_r(byte* name, byte* entry, byte* buffer, nuint length, byte** result);

    [LibraryImport(Library)]
    internal static partial int poll(PollDescriptor* descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport(Library)]
    internal static partial int nanosleep(TimeSpecification* duration, TimeSpecification* remaining);
}
