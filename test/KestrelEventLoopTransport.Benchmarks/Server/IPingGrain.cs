namespace KestrelEventLoopTransport.Benchmarks.Server;

internal interface IPingGrain : IGrainWithIntegerKey
{
    // Answers with the same.
    Task<string> PingAsync(string message);
}
