namespace KestrelEventLoopTransport.Benchmarks.Driver;

// One measured window: the server's CPU time per operation in microseconds, and what the client saw.
// Busy: Share of the window that the server was on its processor.
internal sealed record Window(double Cpu, double Throughput, double P50, double P99, double P999, double Busy);
