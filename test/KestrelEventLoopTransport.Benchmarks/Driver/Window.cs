using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// One measured window: the server's CPU time per operation in microseconds, and what the client saw.
// Busy: Share of the window that the server was on its processor.
internal sealed record Window(double Cpu, double Throughput, Latencies Latency, double Busy)
{
    public static Window Of(TimeSpan cpu, double operations, LoadResult load) => new(
        cpu.TotalMicroseconds / operations,
        operations / load.Seconds,
        load.Latency,
        cpu.TotalSeconds / load.Seconds);
}
