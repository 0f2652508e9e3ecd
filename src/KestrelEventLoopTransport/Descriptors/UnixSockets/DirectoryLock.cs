using System.Text;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Descriptors.UnixSockets;

/// <summary>
/// Locks a directory (<c>flock(2)</c>) from before a Unix socket is bound there until it listens. Of several processes
/// that start at once, one replaces a stale file and the others find the path in use. The lock leaves no file behind.
/// </summary>
internal sealed unsafe class DirectoryLock : IDisposable
{
    private const int Attempts = 200;
    private const int Pause = 10;

    private readonly int _fd;

    private DirectoryLock(int fd) => _fd = fd;

    /// <summary>
    /// Null if the directory cannot be read or locked, or another process keeps the lock for two seconds.
    /// </summary>
    internal static DirectoryLock? TryTake(string directory)
    {
        int fd;
        fixed (byte* path = Encoding.UTF8.GetBytes(directory + '\0'))
        {
            // A FIFO in place of the directory must not block.
            fd = Libc.open(path, Platform.O_CLOEXEC | Platform.O_NONBLOCK);
        }

        if (fd < 0)
        {
            return null;
        }

        for (var i = 0; i < Attempts; i++)
        {
            if (Libc.flock(fd, Posix.LOCK_EX | Posix.LOCK_NB) == 0)
            {
                return new DirectoryLock(fd);
            }

            if (Errno.Last is not (Errno.EAGAIN or Errno.EINTR))
            {
                // A file system without locks.
                break;
            }

            Thread.Sleep(Pause);
        }

        _ = Libc.close(fd);
        return null;
    }

    public void Dispose() => _ = Libc.close(_fd);
}
