using System.Net.Sockets;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Descriptors.UnixSockets;

/// <summary>
/// A Unix socket on its way to one that serves. Dispose removes its file and closes it, unless the socket was
/// <see cref="Release">released</see>.
/// </summary>
internal sealed class BoundUnixSocket : IDisposable
{
    private readonly UnixDomainSocketEndPoint _endPoint;
    private readonly UnixSocketOptions _options;
    private readonly uint? _user;
    private readonly uint? _group;
    private DirectoryLock? _directory;
    private bool _isReleased;

    private BoundUnixSocket(UnixDomainSocketEndPoint endPoint, UnixSocketOptions options, int type)
    {
        _endPoint = endPoint;
        _options = options;
        _user = FindUser(options.Owner);
        _group = FindGroup(options.Group);
        Path = UnixSocketFile.PathOf(endPoint);
        if (Path is null && !OperatingSystem.IsLinux())
        {
            throw new SocketException(
                (int)SocketError.InvalidArgument, $"bind to {endPoint}: abstract names exist on Linux only");
        }

        Fd = SocketCalls.Create(Posix.AF_UNIX, type);
    }

    internal int Fd { get; }

    /// <summary>The path of the file; null for an abstract name, which has no file.</summary>
    internal string? Path { get; }

    /// <summary>What identifies the file; null before <see cref="Bind"/>, and if that cannot be found out.</summary>
    internal FileIdentity? File { get; private set; }

    /// <summary>Makes a socket that is not bound yet.</summary>
    /// <exception cref="InvalidOperationException">The options name an unknown user or group.</exception>
    /// <exception cref="SocketException">The kernel refuses the socket or does not have such names.</exception>
    internal static BoundUnixSocket Create(
        UnixDomainSocketEndPoint endPoint, UnixSocketOptions options, int type = Posix.SOCK_STREAM)
        => new(endPoint, options, type);

    /// <summary>
    /// Binds the socket, in place of a stale file if there is one, and sets the owner and permissions of its file. The
    /// directory is locked until Dispose: other processes would take the file for stale until the socket listens.
    /// </summary>
    /// <exception cref="SocketException">The name is in use, or the options cannot be set.</exception>
    internal void Bind()
    {
        if (Path is null)
        {
            SocketCalls.Bind(Fd, _endPoint);
            return;
        }

        _directory = DirectoryLock.TryTake(System.IO.Path.GetDirectoryName(Path)!);
        BindToPath(Path);
        File = UnixSocketFile.GetIdentity(Path);
        UnixSocketFile.SetAccess(Path, File, _options.FileMode, _user, _group);
    }

    /// <summary>The socket serves, and the caller owns it: Dispose leaves it alone.</summary>
    internal void Release() => _isReleased = true;

    public void Dispose()
    {
        if (!_isReleased)
        {
            // The file goes first: once the socket is closed, another process may bind to the path.
            if (File is { } file)
            {
                UnixSocketFile.Delete(Path!, file);
            }

            _ = Libc.close(Fd);
        }

        _directory?.Dispose();
    }

    private void BindToPath(string path)
    {
        try
        {
            SocketCalls.Bind(Fd, _endPoint);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse
            && _directory is not null && UnixSocketFile.DeleteIfStale(_endPoint, path))
        {
            SocketCalls.Bind(Fd, _endPoint);
        }
    }

    private static uint? FindUser(string? name)
        => name is null
            ? null
            : UserDatabase.FindUser(name) ?? throw Unknown(nameof(UnixSocketOptions.Owner), name, "user");

    private static uint? FindGroup(string? name)
        => name is null
            ? null
            : UserDatabase.FindGroup(name) ?? throw Unknown(nameof(UnixSocketOptions.Group), name, "group");

    private static InvalidOperationException Unknown(string option, string name, string kind)
        => new($"Unix.{option} is '{name}': there is no such {kind}.");
}
