using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Every system call of the transport. All signatures are blittable, so no marshalling code runs. A call that fails
/// returns -1; <see cref="Errno.Last"/>, read at once, has the error.
/// </summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    [LibraryImport(Library)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Library)]
    internal static partial int bind(int fd, byte* address, uint length);

    [LibraryImport(Library)]
    internal static partial int connect(int fd, byte* address, uint length);

    [LibraryImport(Library)]
    internal static partial int listen(int fd, int backlog);

    /// <summary>Not on macOS.</summary>
    [LibraryImport(Library)]
    internal static partial int accept4(int fd, byte* address, uint* length, int flags);

    [LibraryImport(Library)]
    internal static partial int accept(int fd, byte* address, uint* length);

    [LibraryImport(Library)]
    internal static partial int getsockname(int fd, byte* address, uint* length);

    [LibraryImport(Library)]
    internal static partial int getpeername(int fd, byte* address, uint* length);

    [LibraryImport(Library)]
    internal static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport(Library)]
    internal static partial uint if_nametoindex(byte* name);

    [LibraryImport(Library)]
    internal static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport(Library)]
    internal static partial nint recv(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library)]
    internal static partial nint recvmsg(int fd, msghdr* message, int flags);

    [LibraryImport(Library)]
    internal static partial nint send(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport(Library)]
    internal static partial nint sendmsg(int fd, msghdr* message, int flags);

    /// <summary>Not on macOS. The time-out is null: sockets are non-blocking.</summary>
    [LibraryImport(Library)]
    internal static partial int recvmmsg(int fd, mmsghdr* messages, uint count, int flags, timespec* timeout);

    /// <summary>Not on macOS.</summary>
    [LibraryImport(Library)]
    internal static partial int sendmmsg(int fd, mmsghdr* messages, uint count, int flags);

    /// <summary>Not on macOS, where variable arguments are passed in another way.</summary>
    [LibraryImport(Library)]
    internal static partial int ioctl(int fd, nuint request, int* value);

    [LibraryImport(Library)]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport(Library)]
    internal static partial int close(int fd);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int fcntl(int fd, int command, nint argument)
        => OperatingSystem.IsMacOS() && RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            ? fcntl_on_stack(fd, command, 0, 0, 0, 0, 0, 0, argument)
            : fcntl_in_register(fd, command, argument);

    [LibraryImport(Library, EntryPoint = "fcntl")]
    private static partial int fcntl_in_register(int fd, int command, nint argument);

    /// <summary>
    /// Apple's arm64 calling convention passes the variable arguments of a function on the stack ("Writing ARM64 code
    /// for Apple platforms"), and an import cannot declare any (dotnet/runtime#48796). The ninth fixed argument is the
    /// first one on the stack.
    /// </summary>
    [LibraryImport(Library, EntryPoint = "fcntl")]
    private static partial int fcntl_on_stack(
        int fd, int command, nint x2, nint x3, nint x4, nint x5, nint x6, nint x7, nint argument);

    /// <summary>Fills two numbers of 64 bits: the limit in force, and how far the process may raise it.</summary>
    [LibraryImport(Library)]
    internal static partial int getrlimit(int resource, ulong* limit);

    [LibraryImport(Library)]
    internal static partial nint write(int fd, void* buffer, nuint length);

    [LibraryImport(Library)]
    internal static partial nint read(int fd, void* buffer, nuint length);

    [LibraryImport(Library)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Library)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport(Library)]
    internal static partial int epoll_ctl(int epoll, int operation, int fd, byte* epollEvent);

    [LibraryImport(Library)]
    internal static partial int epoll_wait(int epoll, byte* events, int capacity, int timeoutMilliseconds);

    [LibraryImport(Library)]
    internal static partial int kqueue();

    [LibraryImport(Library)]
    internal static partial int kevent(
        int kqueue, void* changes, int changeCount, void* events, int capacity, timespec* timeout);

    /// <summary>Linux only.</summary>
    [LibraryImport(Library)]
    internal static partial int statx(int directory, byte* path, int flags, uint mask, byte* status);

    [LibraryImport(Library)]
    internal static partial int lstat(byte* path, byte* status);

    /// <summary>
    /// The <c>lstat</c> of macOS on x64 whose inode numbers have 64 bits (<c>sys/cdefs.h</c>, <c>stat(2)</c>).
    /// </summary>
    [LibraryImport(Library, EntryPoint = "lstat$INODE64")]
    internal static partial int lstat_inode64(byte* path, byte* status);

    [LibraryImport(Library)]
    internal static partial int open(byte* path, int flags);

    [LibraryImport(Library)]
    internal static partial int flock(int fd, int operation);

    [LibraryImport(Library)]
    internal static partial int chmod(byte* path, uint mode);

    [LibraryImport(Library)]
    internal static partial int fchmodat(int directory, byte* path, uint mode, int flags);

    [LibraryImport(Library)]
    internal static partial int fchownat(int directory, byte* path, uint user, uint group, int flags);

    /// <summary>Returns the error number; a result of null and 0 means that there is no such user.</summary>
    [LibraryImport(Library)]
    internal static partial int getpwnam_r(byte* name, byte* entry, byte* buffer, nuint length, byte** result);

    /// <summary>Returns the error number; a result of null and 0 means that there is no such group.</summary>
    [LibraryImport(Library)]
    internal static partial int getgrnam_r(byte* name, byte* entry, byte* buffer, nuint length, byte** result);

    [LibraryImport(Library)]
    internal static partial int poll(pollfd* descriptors, nuint count, int timeoutMilliseconds);

    /// <summary>Linux only here: macOS has none.</summary>
    [LibraryImport(Library)]
    internal static partial int ppoll(pollfd* descriptors, nuint count, timespec* timeout, void* signals);

    [LibraryImport(Library)]
    internal static partial int nanosleep(timespec* duration, timespec* remaining);

    /// <summary>Linux only.</summary>
    [LibraryImport(Library)]
    internal static partial int timerfd_create(int clock, int flags);

    /// <summary>Linux only.</summary>
    [LibraryImport(Library)]
    internal static partial int timerfd_settime(int fd, int flags, itimerspec* value, itimerspec* previous);
}
