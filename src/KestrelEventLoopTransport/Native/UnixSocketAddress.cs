using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>Names of Unix sockets, <c>unix(7)</c>.</summary>
internal static class UnixSocketAddress
{
    // The address family, and on the BSDs the length before it.
    private const int FamilySize = 2;

    /// <summary>
    /// <c>/@name</c> stands for an abstract name: the only way to write one as a URL, <c>http://unix:/@name</c>.
    /// </summary>
    internal static UnixDomainSocketEndPoint WithAbstractName(UnixDomainSocketEndPoint endPoint)
        => endPoint.ToString() is ['/', '@', .. { Length: > 0 } name] && !name.Contains('/')
            ? new UnixDomainSocketEndPoint('\0' + name)
            : endPoint;

    /// <summary>
    /// The endpoint of the path in a <c>sockaddr_un</c>: up to its first zero, or, if it begins with a zero, an
    /// abstract name without the zeros behind it. Without a path, the endpoint of an unnamed socket.
    /// </summary>
    internal static EndPoint FromPath(ReadOnlySpan<byte> path)
    {
        var end = path.IndexOf((byte)0);
        path = end == 0 ? path.TrimEnd((byte)0) : end > 0 ? path[..end] : path;
        Span<byte> address = stackalloc byte[FamilySize + path.Length];
        if (OperatingSystem.IsLinux())
        {
            MemoryMarshal.Write(address, (ushort)Posix.AF_UNIX);
        }
        else
        {
            address[0] = (byte)address.Length;
            address[1] = Posix.AF_UNIX;
        }

        path.CopyTo(address[FamilySize..]);
        return SocketAddressBytes.ToEndPoint(address);
    }

    /// <summary>Writes the path as it is in a <c>sockaddr_un</c>, with zeros behind it.</summary>
    internal static void WritePath(UnixDomainSocketEndPoint endPoint, Span<byte> path)
    {
        path.Clear();
        var address = endPoint.Serialize();
        var bytes = address.Buffer.Span[FamilySize..address.Size];
        bytes[..Math.Min(bytes.Length, path.Length)].CopyTo(path);
    }
}
