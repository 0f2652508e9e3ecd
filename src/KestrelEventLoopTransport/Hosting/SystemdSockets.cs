using System.Globalization;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport;

/// <summary>
/// Socket activation: systemd, or a parent process that speaks its protocol, listens and hands the sockets over
/// (<c>sd_listen_fds(3)</c>). They outlive the process, so that a restart refuses no connection.
/// </summary>
/// <seealso cref="Microsoft.AspNetCore.Hosting.SystemdSocketsKestrelExtensions"/>
public static class SystemdSockets
{
    private const int FirstDescriptor = 3;
    private const string Process = "LISTEN_PID";
    private const string Count = "LISTEN_FDS";
    private const string Names = "LISTEN_FDNAMES";

    /// <summary>
    /// The stream sockets that this process was started with, by the environment variables <c>LISTEN_PID</c>,
    /// <c>LISTEN_FDS</c> and <c>LISTEN_FDNAMES</c>. Processes that this one starts do not inherit them
    /// (<c>FD_CLOEXEC</c> is set). May be called again.
    /// </summary>
    /// <remarks>
    /// Variables that are not there, are meant for another process or make no sense mean that there are no sockets, and
    /// as many names as there are no sockets for mean that there are no names: what is left in an environment does not
    /// keep a program from listening by itself. Callers of <c>sd_listen_fds(3)</c> do the same.
    /// </remarks>
    /// <returns>
    /// The sockets, in systemd's order; empty when this process was not started by socket activation.
    /// </returns>
    public static IReadOnlyList<SystemdSocket> Find()
    {
        if (Read(Process) != Environment.ProcessId || Read(Count) is not (> 0 and <= int.MaxValue - FirstDescriptor and var count))
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
                // Not open: there are fewer than the variable says.
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
        => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static unsafe bool IsStreamSocket(int fd)
    {
        int type;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, Platform.SOL_SOCKET, Platform.SO_TYPE, &type, &length) == 0 && type == Posix.SOCK_STREAM;
    }
}
