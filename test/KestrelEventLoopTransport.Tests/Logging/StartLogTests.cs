using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Logging;

[FailsOnStock("The log messages of ours.")]
public sealed class StartLogTests
{
    [Fact]
    public async Task The_log_says_at_start_which_loops_and_modes_were_chosen()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EventLoopCount = 2;
            options.EndpointDefaults.AcceptMode = AcceptMode.ListenerPerLoop;
            options.EndpointDefaults.MaxConnections = 77;
            options.EndpointDefaults.ProxyProtocol = new ProxyProtocolOptions { TrustUnixPeers = true };
        });
        var listener = await transport.BindAsync();
        await transport.BindAsync();

        var loops = Assert.Single(transport.Logs.Entries, static entry => entry.EventId.Name == "LoopsStarted");
        Assert.Equal(LogLevel.Debug, loops.Level);
        Assert.Equal("KestrelEventLoopTransport.Loops", loops.Category);
        Assert.StartsWith("2 event loops have started, on ", loops.Message, StringComparison.Ordinal);
        Assert.Contains("Scheduling is Adaptive", loops.Message, StringComparison.Ordinal);

        var endpoints = transport.Logs.Entries.Where(static entry => entry.EventId.Name == "Listening").ToList();
        Assert.Equal(2, endpoints.Count);
        Assert.Equal(LogLevel.Debug, endpoints[0].Level);
        Assert.Contains($"{listener.EndPoint}: 2 listening", endpoints[0].Message, StringComparison.Ordinal);
        Assert.Contains("AcceptMode is ListenerPerLoop", endpoints[0].Message, StringComparison.Ordinal);
        Assert.Contains("MaxConnections is 77", endpoints[0].Message, StringComparison.Ordinal);
        Assert.DoesNotContain("ProxyProtocol is off", endpoints[0].Message, StringComparison.Ordinal);
    }
}
