using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// A <c>sockaddr_in</c> or <c>sockaddr_in6</c> as the kernel has written it. Each connection keeps one, and makes an
/// endpoint of it on demand.
/// </summary>
internal struct SocketAddressBytes
{
    /// <summary>The size of <c>sockaddr_in6</c>, the longer of the two.</summary>
    internal const int MaxSize = Size;

    private const int Size = 28;

    /// <summary>The address family, and on the BSDs the length before it.</summary>
    internal const int FamilySize = 2;

    /// <summary>The size of <c>sockaddr_in</c>.</summary>
    internal const int IPv4Size = 16;

    // struct sockaddr_un: family and path.
    private const int UnixSize = 2 + 108;

    private Bytes _bytes;

    internal static SocketAddressBytes From(ReadOnlySpan<byte> address)
    {
        var result = default(SocketAddressBytes);
        address[..Math.Min(address.Length, Size)].CopyTo(result._bytes);
        return result;
    }

    /// <summary>
    /// An address in a buffer of <see cref="Posix.SockAddrStorageSize"/> bytes. The kernel returns a greater length if
    /// it has truncated the address.
    /// </summary>
    internal static unsafe ReadOnlySpan<byte> Span(byte* address, uint length)
        => new(address, (int)Math.Min(length, Posix.SockAddrStorageSize));

    /// <summary>An endpoint as the kernel would write it.</summary>
    internal static ReadOnlySpan<byte> OfEndPoint(EndPoint endPoint)
    {
        var address = endPoint.Serialize();
        return address.Buffer.Span[..address.Size];
    }

    /// <summary>The local address of a bound or connected IP socket.</summary>
    internal static unsafe SocketAddressBytes OfSocket(int fd)
    {
        var result = default(SocketAddressBytes);
        uint length = Size;
        fixed (byte* address = (Span<byte>)result._bytes)
        {
            // Can fail for a socket that its peer has already reset. Then the address stays empty.
            _ = Libc.getsockname(fd, address, &length);
        }

        return result;
    }

    /// <summary>
    /// The bytes of the IP address, without port and scope: 4 for IPv4, also if it is mapped into IPv6 (RFC 4291,
    /// 2.5.5.2), and 16 for IPv6. Empty for other families.
    /// </summary>
    internal static ReadOnlySpan<byte> GetIPAddress(ReadOnlySpan<byte> address)
    {
        if (FamilyOf(address) == Posix.AF_INET)
        {
            return address.Slice(4, 4);
        }

        if (!IsIPv6(address))
        {
            return [];
        }

        var v6 = address.Slice(8, 16);
        return v6[..12].SequenceEqual(MappedPrefix) ? v6[12..] : v6;
    }

    private static ReadOnlySpan<byte> MappedPrefix => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];

    internal readonly int Port => BinaryPrimitives.ReadUInt16BigEndian(((ReadOnlySpan<byte>)_bytes)[2..]);

    /// <summary>The size in bytes of an IP address's <c>sockaddr</c>; 0 if there is none.</summary>
    internal readonly int Length
    {
        get
        {
            ReadOnlySpan<byte> bytes = _bytes;
            var family = FamilyOf(bytes);
            return family == Posix.AF_INET ? IPv4Size : family == Platform.AF_INET6 ? Size : 0;
        }
    }

    /// <summary>The bytes of the <c>sockaddr</c>.</summary>
    [UnscopedRef]
    internal readonly ReadOnlySpan<byte> Span() => ((ReadOnlySpan<byte>)_bytes)[..Length];

    /// <summary>An address from its parts, as a <c>sockaddr_in</c> or <c>sockaddr_in6</c>.</summary>
    /// <param name="ip">4 or 16 bytes.</param>
    /// <param name="port">The two bytes of the port, in network order.</param>
    internal static SocketAddressBytes From(ReadOnlySpan<byte> ip, ReadOnlySpan<byte> port)
    {
        var result = default(SocketAddressBytes);
        Span<byte> bytes = result._bytes;
        WriteFamily(bytes, ip.Length == 4 ? Posix.AF_INET : Platform.AF_INET6, ip.Length == 4 ? IPv4Size : Size);
        port.CopyTo(bytes[2..]);
        ip.CopyTo(bytes[(ip.Length == 4 ? 4 : 8)..]);
        return result;
    }

    /// <summary>
    /// Writes an IPv4 address as a <c>sockaddr_in6</c>, mapped into IPv6. Returns its length.
    /// </summary>
    internal static int WriteMapped(ReadOnlySpan<byte> address, Span<byte> destination)
    {
        destination = destination[..Size];
        destination.Clear();
        WriteFamily(destination, Platform.AF_INET6, Size);
        address.Slice(2, 2).CopyTo(destination[2..]);
        MappedPrefix.CopyTo(destination[8..]);
        address.Slice(4, 4).CopyTo(destination[20..]);
        return Size;
    }

    private static void WriteFamily(Span<byte> address, int family, int length)
    {
        if (OperatingSystem.IsLinux())
        {
            MemoryMarshal.Write(address, (ushort)family);
        }
        else
        {
            address[0] = (byte)length;
            address[1] = (byte)family;
        }
    }

    internal static bool IsUnix(ReadOnlySpan<byte> address) => FamilyOf(address) == Posix.AF_UNIX;

    internal static bool IsIP(ReadOnlySpan<byte> address) => FamilyOf(address) == Posix.AF_INET || IsIPv6(address);

    internal static bool IsIPv6(ReadOnlySpan<byte> address) => FamilyOf(address) == Platform.AF_INET6;

    /// <summary>The address as an <see cref="IPEndPoint"/>, or null when it is of another family.</summary>
    internal readonly IPEndPoint? ToEndPoint()
    {
        ReadOnlySpan<byte> bytes = _bytes;
        var port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        var family = FamilyOf(bytes);
        return family == Posix.AF_INET
                ? new IPEndPoint(new IPAddress(bytes.Slice(4, 4)), port)
            : family == Platform.AF_INET6
                ? new IPEndPoint(new IPAddress(bytes.Slice(8, 16), MemoryMarshal.Read<uint>(bytes[24..])), port)
            : null;
    }

    /// <summary>Any address as an endpoint. An unnamed Unix socket has an empty path.</summary>
    internal static EndPoint ToEndPoint(ReadOnlySpan<byte> address)
    {
        if (!IsUnix(address))
        {
            return From(address).ToEndPoint()
                ?? throw new SocketException((int)SocketError.AddressFamilyNotSupported);
        }

        address = TrimUnix(address);
        var native = new SocketAddress(AddressFamily.Unix, Math.Max(address.Length, 2));
        address.CopyTo(native.Buffer.Span);
        return new UnixDomainSocketEndPoint("/").Create(native);
    }

    /// <summary>A <c>sockaddr_un</c> without what the kernel has written behind its name.</summary>
    internal static ReadOnlySpan<byte> TrimUnix(ReadOnlySpan<byte> address)
    {
        if (!OperatingSystem.IsLinux())
        {
            address = TrimPath(address);
        }

        // After a path of 108 bytes the kernel writes a zero, for which .NET and struct sockaddr_un have no room.
        return address[..Math.Min(address.Length, UnixSize)];
    }

    /// <summary>
    /// The address family: 16 bits on Linux, one byte after the length (<c>sa_len</c>) on macOS and FreeBSD.
    /// </summary>
    private static int FamilyOf(ReadOnlySpan<byte> address)
        => OperatingSystem.IsLinux() ? MemoryMarshal.Read<ushort>(address) : address[1];

    /// <summary>
    /// The address without the zero bytes after the path. The BSDs pad the address of an unnamed socket to 16 bytes,
    /// and have no names that begin with a zero.
    /// </summary>
    private static ReadOnlySpan<byte> TrimPath(ReadOnlySpan<byte> address)
    {
        var end = address[2..].IndexOf((byte)0);
        return end < 0 ? address : address[..(2 + end)];
    }

    [InlineArray(Size)]
    private struct Bytes
    {
        private byte _first;
    }
}
