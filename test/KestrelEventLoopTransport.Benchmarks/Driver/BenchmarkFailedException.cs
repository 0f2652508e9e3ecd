namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Something measured was not correct, so its figures would mean nothing.
internal sealed class BenchmarkFailedException(string message) : Exception(message);
