namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed record Greeting(string Message);
