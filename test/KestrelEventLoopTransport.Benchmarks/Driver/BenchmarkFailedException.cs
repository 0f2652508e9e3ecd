namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <summary>Something measured was not correct, so its figures would mean nothing.</summary>
internal sealed class BenchmarkFailedException(string message) : Exception(message);
