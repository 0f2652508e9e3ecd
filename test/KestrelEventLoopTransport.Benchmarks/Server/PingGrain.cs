namespace KestrelEventLoopTransport.Benchmarks.Server;

internal sealed class PingGrain : Grain, IPingGrain
{
    public Task<string> PingAsync(string message) => Task.FromResult(message);
}
