using System.Globalization;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class MachineDescription
{
    public static string Line()
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Environment.ProcessorCount} processors ({ProcessorModel()}, {RuntimeInformation.OSArchitecture}), "
                + $"{memory:F0} GB, Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}, "
                + $"{RuntimeInformation.FrameworkDescription}");
    }

    private static string ProcessorModel()
    {
        var line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(
            line => line.StartsWith("model name", StringComparison.Ordinal));
        return line is null ? "unnamed" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
