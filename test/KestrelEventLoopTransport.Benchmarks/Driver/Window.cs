using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// One measured window: the server's CPU time per operation in microseconds, and what the client saw.
// Busy: Share of the window that the server was on its processor.
internal sealed record Window(double Cpu, double Throughput, double P50, double P99, double P999, double Busy)
{
    public static Window Of(TimeSpan cpu, double operations, LoadResult load) => new(
        cpu.TotalMicroseconds / operations,
        operations / load.Seconds,
        load.P50,
        load.P99,
        load.P999,
        cpu.TotalSeconds / load.Seconds);
}
