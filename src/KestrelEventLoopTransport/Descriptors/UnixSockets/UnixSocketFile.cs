using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Descriptors.UnixSockets;

/// <summary>The file of a Unix socket that is bound to a path.</summary>
internal static unsafe class UnixSocketFile
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
    /// Removes the file that a crashed process has left: a socket on which no process listens. Anything else stays. The
    /// caller holds the lock of the directory.
    /// </summary>
    internal static bool DeleteIfStale(UnixDomainSocketEndPoint endPoint, string path)
    {
        // On macOS and FreeBSD a socket whose backlog is full refuses connections too (sonewconn), so a refusal does
        // not prove that no process listens.
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }
        // A file of any other kind refuses connections too (connect(2)) and must not be touched.
        if (GetIdentity(path) is not { } identity || !RefusesConnections(endPoint))
        {
            return false;
        }

        // A server that does not use the lock refuses too after it has bound and before it listens. It gets a moment.
        Thread.Sleep(20);
        return RefusesConnections(endPoint) && Delete(path, identity);
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
            // No other error proves that no process listens: a full backlog is EAGAIN.
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }

    /// <summary>Removes the file of a socket if it is still the same file.</summary>
    internal static bool Delete(string path, FileIdentity identity)
    {
        try
        {
            if (GetIdentity(path) != identity)
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

    /// <summary>What identifies a socket's file; null for a file of another kind, or none.</summary>
    internal static FileIdentity? GetIdentity(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return FileStatus.TryRead(name, out var status) ? IdentityOf(status) : null;
        }
    }

    /// <summary>
    /// Sets owner, group and permissions of the file if it is still the same file. A descriptor holds the file
    /// meanwhile, because a user who may write to the directory could put a link in its place.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="identity">Identifies the file that was bound; null if that could not be found out.</param>
    /// <param name="mode">Permissions, or null to leave them.</param>
    /// <param name="user">Owner, or null to leave it.</param>
    /// <param name="group">Group, or null to leave it.</param>
    /// <exception cref="SocketException">The process may not do this, or the file is not the socket.</exception>
    internal static void SetAccess(string path, FileIdentity? identity, UnixFileMode? mode, uint? user, uint? group)
    {
        if (mode is null && user is null && group is null)
        {
            return;
        }

        if (!OperatingSystem.IsLinux())
        {
            SetAccessByName(path, identity, mode, user, group);
            return;
        }

        var action = $"opening {path}";
        int file;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            // This may follow a link. Its target has another identity.
            file = Libc.open(name, Linux.O_PATH | Linux.O_CLOEXEC);
        }

        if (file < 0)
        {
            throw Errno.ToException(Errno.Last, action);
        }

        try
        {
            // Without an identity the options would be lost silently, and every user could connect.
            if (identity is null || (FileStatus.TryRead(file, out var status) ? IdentityOf(status) : null) != identity)
            {
                throw Replaced(path);
            }

            SetOwner(file, path, user, group);
            if (mode is { } given)
            {
                SetMode(file, path, given);
            }
        }
        finally
        {
            _ = Libc.close(file);
        }
    }

    // On macOS a descriptor cannot hold the file of a socket. No link is followed. A file that replaces the socket's
    // between the check and the calls would get the permissions; that takes the right to write to the directory.
    private static void SetAccessByName(
        string path, FileIdentity? identity, UnixFileMode? mode, uint? user, uint? group)
    {
        if (identity is null || GetIdentity(path) != identity)
        {
            throw Replaced(path);
        }

        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var action = $"Unix.Owner or Unix.Group of {path} cannot be set";
            if ((user is not null || group is not null)
                && Libc.fchownat(
                    Platform.AT_FDCWD,
                    name,
                    user ?? uint.MaxValue,
                    group ?? uint.MaxValue,
                    Platform.AT_SYMLINK_NOFOLLOW) < 0)
            {
                throw Errno.ToException(Errno.Last, action);
            }

            action = $"Unix.FileMode of {path} cannot be set";
            if (mode is { } given
                && Libc.fchmodat(Platform.AT_FDCWD, name, (uint)given, Platform.AT_SYMLINK_NOFOLLOW) < 0)
            {
                throw Errno.ToException(Errno.Last, action);
            }
        }
    }

    private static SocketException Replaced(string path)
        => new(
            (int)SocketError.AccessDenied,
            $"the owner and permissions of {path} cannot be set: its status cannot be read, or the file was replaced"
            + " while the socket was bound");

    private static void SetOwner(int file, string path, uint? user, uint? group)
    {
        if (user is null && group is null)
        {
            return;
        }

        var action = $"Unix.Owner or Unix.Group of {path} cannot be set";
        byte empty = 0;
        if (Libc.fchownat(file, &empty, user ?? uint.MaxValue, group ?? uint.MaxValue, Linux.AT_EMPTY_PATH) < 0)
        {
            throw Errno.ToException(Errno.Last, action);
        }
    }

    // fchmod(2) does not take a descriptor that was opened with O_PATH, but procfs has a name for it.
    private static void SetMode(int file, string path, UnixFileMode mode)
    {
        var action = $"Unix.FileMode of {path} cannot be set";
        fixed (byte* name = Encoding.UTF8.GetBytes($"/proc/self/fd/{file}\0"))
        {
            if (Libc.chmod(name, (uint)mode) < 0)
            {
                throw Errno.ToException(Errno.Last, action);
            }
        }
    }

    private static FileIdentity? IdentityOf(in FileStatus status)
        => (status.Mode & Posix.S_IFMT) == Posix.S_IFSOCK ? FileIdentity.Of(status) : null;
}
