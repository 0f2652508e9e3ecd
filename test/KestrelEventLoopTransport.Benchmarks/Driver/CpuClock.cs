using System.ComponentModel;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// CPU time of another process in nanoseconds, all its threads, ended ones included. /proc/PID/stat has the same sum in
// ticks of 10 ms, too coarse for short windows.
internal static partial class CpuClock
{
    public static TimeSpan Read(int processId)
    {
        // What clock_getcpuclockid(3) computes: the complement of the id, and CPUCLOCK_SCHED in the lowest bits.
        var clock = (~processId << 3) | 2;
        if (GetTime(clock, out var time) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        return TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / TimeSpan.NanosecondsPerTick);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int GetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
