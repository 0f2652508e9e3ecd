using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[Trait("Stock", "fails")]
public sealed class FailedReadTests
{
    /// <summary>What follows a read that failed is application code as well.</summary>
    [Fact]
    public async Task A_handler_that_blocks_after_a_read_without_memory_does_not_keep_its_loop()
    {
        var roadblock = new Roadblock();
        var fails = false;
        var settings = new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EventLoopCount = 1,
            Connection = async connection =>
            {
                try
                {
                    await Echo.RunAsync(connection);
                }
                catch (FailingMemoryException)
                {
                    roadblock.Block();
                }
            },
        };
        settings.Services = services => services.AddSingleton<IMemoryPoolFactory<byte>>(
            new FailingMemoryPoolFactory(settings.Pools!, () => Volatile.Read(ref fails)));
        await using var server = await TestServer.StartAsync(settings);
        using var opening = roadblock;
        using var blocking = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        await Echo.RoundTripAsync(blocking);
        await Echo.RoundTripAsync(other);

        Volatile.Write(ref fails, true);
        await blocking.SendAsync("x");
        await roadblock.UntilArrivedAsync(1);
        Volatile.Write(ref fails, false);

        // Should the handler have come to the thread pool, as it may when its loop changes hands, the test is only weaker.
        await Echo.RoundTripAsync(other);
    }
}
