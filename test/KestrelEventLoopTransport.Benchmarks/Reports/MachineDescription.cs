using System.Globalization;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class MachineDescription
{
    public static IEnumerable<string> Lines()
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9;
        yield return $"Processor: {ProcessorModel()}, {Environment.ProcessorCount} available, "
            + $"{RuntimeInformation.OSArchitecture}";
        yield return string.Create(CultureInfo.InvariantCulture, $"Memory: {memory:F0} GB");
        yield return $"Kernel: {File.ReadAllText("/proc/sys/kernel/ostype").Trim()} "
            + $"{File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}";
        yield return $"Runtime: {RuntimeInformation.FrameworkDescription}";
    }

    private static string ProcessorModel()
    {
        var line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(
            line => line.StartsWith("model name", StringComparison.Ordinal));
        return line is null ? "unnamed" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
