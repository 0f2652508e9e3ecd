using System.Globalization;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Says to the operator which limit keeps the kernel from accepting, what its value is and what to do.
/// </summary>
internal static unsafe class Shortage
{
    /// <param name="errno">A number for which <see cref="Errno.IsShortage"/> is true.</param>
    internal static string Describe(int errno) => errno switch
    {
        Errno.EMFILE =>
            $"the process has reached its limit of file descriptors (RLIMIT_NOFILE{ProcessLimit})."
            + " Raise the limit (ulimit -n; LimitNOFILE of a systemd service)"
            + $" or set {nameof(EndpointOptions.MaxConnections)} below it.",
        Errno.ENFILE =>
            $"the whole system has reached its limit of file descriptors ({SystemLimitName}{SystemLimit})."
            + " Raise the limit with sysctl, or find the process that holds them.",
        _ =>
            "the kernel has no memory for another socket."
            + $" Give the machine or the container more memory, or set {nameof(EndpointOptions.MaxConnections)}.",
    };

    private static string SystemLimitName => OperatingSystem.IsLinux() ? "fs.file-max" : "kern.maxfiles";

    private static string ProcessLimit
    {
        get
        {
            var limit = stackalloc ulong[2];
            return Libc.getrlimit(Platform.RLIMIT_NOFILE, limit) == 0
                ? string.Create(CultureInfo.InvariantCulture, $" = {limit[0]}")
                : "";
        }
    }

    private static string SystemLimit
    {
        get
        {
            try
            {
                // Root may open a file even now.
                return $" = {File.ReadAllText("/proc/sys/fs/file-max").Trim()}";
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }
}
