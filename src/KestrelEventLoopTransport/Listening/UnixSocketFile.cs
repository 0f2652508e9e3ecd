using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The file of a Unix socket that is bound to a path.</summary>
internal static class UnixSocketFile
{
    /// <summary>The absolute path, or null for an abstract name, which has no file.</summary>
    internal static string? PathOf(UnixDomainSocketEndPoint endPoint)
    {
        var address = endPoint.Serialize();
        var name = address.Buffer.Span[2..address.Size];
        if (name.IsEmpty || name[0] == 0)
        {
            return null;
        }
        var end = name.IndexOf((byte)0);
        return Path.GetFullPath(Encoding.UTF8.GetString(end < 0 ? name : name[..end]));
    }

    /// <summary>
    /// Removes the file that a crashed process left: a socket that nobody accepts on. Anything else stays.
    /// </summary>
    internal static bool DeleteIfStale(UnixDomainSocketEndPoint endPoint)
    {
        // A file of any other kind refuses connections too (connect(2)) and must not be touched.
        if (PathOf(endPoint) is not { } path || GetInode(path) is not { } inode)
        {
            return false;
        }
        if (!RefusesConnections(endPoint))
        {
            return false;
        }
        // A server that has bound but does not listen yet refuses too: it gets a moment.
        Thread.Sleep(20);
        return RefusesConnections(endPoint) && Delete(path, inode);
    }

    private static bool RefusesConnections(UnixDomainSocketEndPoint endPoint)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        probe.Blocking = false;
        try
        {
            probe.Connect(endPoint);
            return false;
        }
        catch (SocketException exception)
        {
            // Anything else proves nothing: a full backlog (EAGAIN) has a listener behind it.
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }

    /// <summary>Removes a socket's file, if it still is that socket.</summary>
    internal static bool Delete(string path, ulong inode)
    {
        try
        {
            if (GetInode(path) != inode)
            {
                return false;
            }
            File.Delete(path);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The inode of a socket's file; null for a file of another kind, or none.</summary>
    internal static unsafe ulong? GetInode(string path)
    {
        FileStatus status;
        var bytes = Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* name = bytes)
        {
            if (Libc.statx(Linux.AT_FDCWD, name, Linux.AT_SYMLINK_NOFOLLOW, Linux.STATX_TYPE | Linux.STATX_INO, &status) < 0)
            {
                return null;
            }
        }
        return (status.Mode & Linux.S_IFMT) == Linux.S_IFSOCK ? status.Inode : null;
    }
}
