using System.Globalization;
using System.Net;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>What the kernel knows about sockets of a port: /proc/net/tcp and /proc/net/tcp6.</summary>
internal static class ListeningSockets
{
    private const string Listen = "0A";
    private const string TimeWait = "06";

    /// <summary>
    /// Descriptors of this process that listen on the endpoint. Others may listen on the same port of another address:
    /// the kernel gives them such ports.
    /// </summary>
    public static IReadOnlyList<int> FindDescriptors(EndPoint endPoint)
    {
        var address = HexOf((IPEndPoint)endPoint);
        var links = Rows(((IPEndPoint)endPoint).Port, Listen)
            .Where(row => row[1].StartsWith(address + ":", StringComparison.Ordinal))
            .Select(static row => $"socket:[{row[9]}]")
            .ToHashSet();
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

    /// <summary>The descriptor of this process that listens on a Unix path or abstract name (written with @).</summary>
    public static int FindUnixDescriptor(string name)
    {
        var row = File.ReadLines("/proc/net/unix")
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))

            // Flags: __SO_ACCEPTCON.
            .Single(row => row.Length > 7 && row[7] == name && row[3] == "00010000");
        return ProcessState.Descriptors().Single(entry => entry.Target == $"socket:[{row[6]}]").Descriptor;
    }

    public static int CountTimeWait(int port) => Rows(port, TimeWait).Count();

    // Words of 32 bits, each in the byte order of the machine.
    private static string HexOf(IPEndPoint endPoint)
        => string.Concat(endPoint.Address.GetAddressBytes()
            .Chunk(sizeof(uint))
            .Select(static word => BitConverter.ToUInt32(word).ToString("X8", CultureInfo.InvariantCulture)));

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
