namespace KestrelEventLoopTransport.Benchmarks.Driver;

// FirstResponse: Milliseconds from the start of the process to the first response.
// Cpu: Microseconds of CPU per request, of each second after that.
internal sealed record StartWindow(double FirstResponse, IReadOnlyList<double> Cpu);
