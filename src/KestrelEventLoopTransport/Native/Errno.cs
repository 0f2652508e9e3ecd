using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// The error numbers that the transport distinguishes (<c>errno(3)</c>), and their translation to .NET's. They have the
/// values of Linux everywhere: on other systems they are translated when they are read, and back for messages.
/// </summary>
internal static class Errno
{
    internal const int EPERM = 1;
    internal const int ENOENT = 2;
    internal const int EINTR = 4;
    internal const int EIO = 5;
    internal const int EBADF = 9;
    internal const int EAGAIN = 11;
    internal const int ENOMEM = 12;
    internal const int EACCES = 13;
    internal const int EINVAL = 22;
    internal const int ENFILE = 23;
    internal const int EMFILE = 24;
    internal const int EPIPE = 32;
    internal const int ERANGE = 34;
    internal const int EPROTO = 71;
    internal const int ENOTSOCK = 88;
    internal const int EDESTADDRREQ = 89;
    internal const int EMSGSIZE = 90;
    internal const int ENOPROTOOPT = 92;
    internal const int EPROTONOSUPPORT = 93;
    internal const int EOPNOTSUPP = 95;
    internal const int EAFNOSUPPORT = 97;
    internal const int EADDRINUSE = 98;
    internal const int EADDRNOTAVAIL = 99;
    internal const int ENETDOWN = 100;
    internal const int ENETUNREACH = 101;
    internal const int ENETRESET = 102;
    internal const int ECONNABORTED = 103;
    internal const int ECONNRESET = 104;
    internal const int ENOBUFS = 105;
    internal const int ENOTCONN = 107;
    internal const int ETIMEDOUT = 110;
    internal const int ECONNREFUSED = 111;
    internal const int EHOSTDOWN = 112;
    internal const int EHOSTUNREACH = 113;
    internal const int EALREADY = 114;
    internal const int EINPROGRESS = 115;

    // Added to numbers of other systems that the transport does not know.
    private const int Foreign = 1 << 16;

    // Up to this number all systems agree, but for EAGAIN.
    private const int LastCommon = 34;

    /// <summary>
    /// The error of the call that has just failed on this thread. Read it at once: the runtime preserves errno around
    /// its own work, but not around other managed code.
    /// </summary>
    internal static int Last
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => OperatingSystem.IsLinux() ? Marshal.GetLastSystemError() : FromSystem(Marshal.GetLastSystemError());
    }

    /// <summary>An error number of the running system, as a number of this class.</summary>
    internal static int FromSystem(int errno)
        => OperatingSystem.IsLinux() ? errno : FromSystem(errno, SystemNumbers);

    /// <summary>The number on the running system, for messages.</summary>
    internal static int ToSystem(int errno)
        => OperatingSystem.IsLinux() ? errno : ToSystem(errno, SystemNumbers);

    /// <summary>Whether descriptors or memory are short: the call may succeed a little later.</summary>
    internal static bool IsShortage(int errno) => errno is EMFILE or ENFILE or ENOBUFS or ENOMEM;

    internal static SocketException ToException(int errno)
        => new((int)ToSocketError(errno));

    internal static SocketException ToException(int errno, string action)
    {
        var error = ToSocketError(errno);
        return new((int)error, $"{action}: {Marshal.GetPInvokeErrorMessage(ToSystem(errno))}");
    }

    internal static SocketError ToSocketError(int errno) => errno switch
    {
        EPERM or EACCES => SocketError.AccessDenied,
        EINTR => SocketError.Interrupted,
        EBADF => SocketError.OperationAborted,
        EAGAIN => SocketError.WouldBlock,
        ENOMEM or ENOBUFS => SocketError.NoBufferSpaceAvailable,
        EINVAL => SocketError.InvalidArgument,
        EMFILE or ENFILE => SocketError.TooManyOpenSockets,
        EPIPE => SocketError.Shutdown,
        ENOTSOCK => SocketError.NotSocket,
        EDESTADDRREQ => SocketError.DestinationAddressRequired,
        EMSGSIZE => SocketError.MessageSize,
        ENOPROTOOPT => SocketError.ProtocolOption,
        EPROTONOSUPPORT => SocketError.ProtocolNotSupported,
        EOPNOTSUPP => SocketError.OperationNotSupported,
        EAFNOSUPPORT => SocketError.AddressFamilyNotSupported,
        EADDRINUSE => SocketError.AddressAlreadyInUse,
        ENOENT or EADDRNOTAVAIL => SocketError.AddressNotAvailable,
        ENETDOWN => SocketError.NetworkDown,
        ENETUNREACH => SocketError.NetworkUnreachable,
        ENETRESET => SocketError.NetworkReset,
        ECONNABORTED => SocketError.ConnectionAborted,
        ECONNRESET => SocketError.ConnectionReset,
        ENOTCONN => SocketError.NotConnected,
        ETIMEDOUT => SocketError.TimedOut,
        ECONNREFUSED => SocketError.ConnectionRefused,
        EHOSTDOWN => SocketError.HostDown,
        EHOSTUNREACH => SocketError.HostUnreachable,
        _ => SocketError.SocketError,
    };

    internal static int FromSystem(int errno, ReadOnlySpan<int> numbers)
    {
        for (var i = 0; i < numbers.Length; i += 2)
        {
            if (numbers[i] == errno)
            {
                return numbers[i + 1];
            }
        }

        return IsCommon(errno) ? errno : Foreign + errno;
    }

    internal static int ToSystem(int errno, ReadOnlySpan<int> numbers)
    {
        if (IsCommon(errno))
        {
            return errno;
        }

        for (var i = 0; i < numbers.Length; i += 2)
        {
            if (numbers[i + 1] == errno)
            {
                return numbers[i];
            }
        }

        return errno > Foreign ? errno - Foreign : errno;
    }

    /// <summary>Where 11 is not EAGAIN, it is EDEADLK.</summary>
    private static bool IsCommon(int errno) => errno <= LastCommon && errno != EAGAIN;

    private static ReadOnlySpan<int> SystemNumbers
        => OperatingSystem.IsMacOS() ? MacOS.ErrorNumbers : FreeBSD.ErrorNumbers;
}
