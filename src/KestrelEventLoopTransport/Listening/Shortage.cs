using System.Globalization;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Which limit keeps the kernel from accepting, what it is and what to do, for the operator to read.</summary>
internal static unsafe class Shortage
{
    /// <param name="errno">One that <see cref="Errno.IsShortage"/> knows.</param>
    internal static string Describe(int errno) => errno switch
    {
        Errno.EMFILE =>
            $"the process has no free file descriptor, as many as its limit RLIMIT_NOFILE{ProcessLimit} allows are open."
            + $" Raise the limit (ulimit -n; LimitNOFILE of a systemd service) or set {nameof(EndpointOptions.MaxConnections)} below it.",
        Errno.ENFILE =>
            $"the whole system has no free file descriptor, as many as its limit {SystemLimitName}{SystemLimit} allows are open."
            + " Raise the limit with sysctl, or look for the process that has them.",
        _ =>
            "the kernel has no memory for one more socket."
            + $" Give the machine or the container more, or set {nameof(EndpointOptions.MaxConnections)}.",
    };

    private static string SystemLimitName => OperatingSystem.IsLinux() ? "fs.file-max" : "kern.maxfiles";

    private static string ProcessLimit
    {
        get
        {
            var limit = stackalloc ulong[2];
            return Libc.getrlimit(Platform.RLIMIT_NOFILE, limit) == 0
                ? string.Create(CultureInfo.InvariantCulture, $" of {limit[0]}")
                : "";
        }
    }

    private static string SystemLimit
    {
        get
        {
            try
            {
                // Root may open it even now.
                return $" of {File.ReadAllText("/proc/sys/fs/file-max").Trim()}";
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }
}
