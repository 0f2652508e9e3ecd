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
    /// <returns>The sockets, in systemd's order; empty when the variables are not there or for another process.</returns>
    /// <exception cref="InvalidOperationException">A variable has a value that makes no sense.</exception>
    public static IReadOnlyList<SystemdSocket> Find()
    {
        if (Environment.GetEnvironmentVariable(Process) is not { } process || Parse(Process, process) != Environment.ProcessId)
        {
            return [];
        }
        var count = Parse(Count, Environment.GetEnvironmentVariable(Count) ?? "");
        var names = Environment.GetEnvironmentVariable(Names)?.Split(':') ?? [];
        if (names.Length != 0 && names.Length != count)
        {
            throw new InvalidOperationException($"{Names} has {names.Length} names; it must have as many as {Count} says, {count}.");
        }
        var sockets = new List<SystemdSocket>();
        for (var i = 0; i < count; i++)
        {
            var fd = FirstDescriptor + i;
            if (Libc.fcntl(fd, Linux.F_SETFD, Linux.FD_CLOEXEC) >= 0 && IsStreamSocket(fd))
            {
                sockets.Add(new SystemdSocket(
                    names.Length == 0 ? "" : names[i],
                    new FileHandleEndPoint((ulong)fd, FileHandleType.Auto)));
            }
        }
        return sockets;
    }

    private static int Parse(string variable, string value)
        => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number is > 0 and <= int.MaxValue - FirstDescriptor
            ? number
            : throw new InvalidOperationException($"{variable} is '{value}'; it must be a number from 1.");

    private static unsafe bool IsStreamSocket(int fd)
    {
        int type;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, Platform.SOL_SOCKET, Platform.SO_TYPE, &type, &length) == 0 && type == Linux.SOCK_STREAM;
    }
}
