using System.Globalization;

namespace KestrelEventLoopTransport.Tests;

/// <summary>What the kernel knows about sockets of a port: /proc/net/tcp and /proc/net/tcp6.</summary>
internal static class ListeningSockets
{
    private const string Listen = "0A";
    private const string TimeWait = "06";

    /// <summary>Descriptors of this process that listen on the port.</summary>
    public static IReadOnlyList<int> FindDescriptors(int port)
    {
        var links = Rows(port, Listen).Select(static row => $"socket:[{row[9]}]").ToHashSet();
        var descriptors = new List<int>();
        foreach (var (descriptor, target) in ProcessState.Descriptors())
        {
            if (links.Contains(target))
            {
                descriptors.Add(descriptor);
            }
        }

        return descriptors;
    }

    public static int CountTimeWait(int port) => Rows(port, TimeWait).Count();

    private static IEnumerable<string[]> Rows(int port, string state)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        return new[] { "/proc/net/tcp", "/proc/net/tcp6" }
            .Where(File.Exists)
            .SelectMany(File.ReadAllLines)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(row => row.Length > 9 && row[3] == state && row[1].EndsWith(suffix, StringComparison.Ordinal));
    }
}
