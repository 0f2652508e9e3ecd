using System.Globalization;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport;

/// <summary>
/// Finds the sockets that this process was started with by socket activation (<c>sd_listen_fds(3)</c>): systemd, or a
/// parent process that follows the same protocol, opens the sockets and keeps them open across restarts, so that no
/// connection is refused while the process restarts.
/// </summary>
/// <seealso cref="Microsoft.AspNetCore.Hosting.KestrelServerOptionsSystemdSocketsExtensions"/>
public static class SystemdSockets
{
    private const int FirstDescriptor = 3;
    private const string Process = "LISTEN_PID";
    private const string Count = "LISTEN_FDS";
    private const string Names = "LISTEN_FDNAMES";

    /// <summary>
    /// Returns the stream sockets that the environment variables <c>LISTEN_PID</c>, <c>LISTEN_FDS</c> and
    /// <c>LISTEN_FDNAMES</c> announce, and sets <c>FD_CLOEXEC</c> on all announced descriptors, so that child processes
    /// do not inherit them. It may be called more than once.
    /// </summary>
    /// <remarks>
    /// There are no sockets if the variables are missing, not valid or meant for another process. Names are ignored
    /// if there are not as many names as descriptors. As with <c>sd_listen_fds(3)</c>, none of this is an error, so
    /// that variables left over in an environment do not stop an application from choosing its endpoints itself.
    /// </remarks>
    /// <returns>
    /// The sockets, in systemd's order. Empty if the process was not started by socket activation.
    /// </returns>
    public static IReadOnlyList<SystemdSocket> Find()
    {
        if (Read(Process) != Environment.ProcessId
            || Read(Count) is not (> 0 and <= int.MaxValue - FirstDescriptor and var count))
        {
            return [];
        }

        var names = Environment.GetEnvironmentVariable(Names)?.Split(':');
        var sockets = new List<SystemdSocket>();
        for (var i = 0; i < count; i++)
        {
            var fd = FirstDescriptor + i;
            if (Libc.fcntl(fd, Posix.F_SETFD, Posix.FD_CLOEXEC) < 0)
            {
                // The descriptor is not open: there are fewer than the variable announces.
                break;
            }

            if (IsStreamSocket(fd))
            {
                sockets.Add(new SystemdSocket(
                    names?.Length == count ? names[i] : "",
                    new FileHandleEndPoint((ulong)fd, FileHandleType.Auto)));
            }
        }

        return sockets;
    }

    private static int? Read(string variable)
    {
        var value = Environment.GetEnvironmentVariable(variable);
        return int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    private static unsafe bool IsStreamSocket(int fd)
    {
        int type;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, Platform.SOL_SOCKET, Platform.SO_TYPE, &type, &length) == 0
            && type == Posix.SOCK_STREAM;
    }
}
