using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class FailedReadTests
{
    private const int Tries = 4;

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
        using var other = await server.ConnectAsync();
        await Echo.RoundTripAsync(other);

        // A handler may come to the thread pool if its loop changes hands just while it begins to wait.
        for (var i = 1; i <= Tries && !roadblock.Threads.Any(TestApp.IsLoopThread); i++)
        {
            using var blocking = await server.ConnectAsync();
            await Echo.RoundTripAsync(blocking);
            Volatile.Write(ref fails, true);
            await blocking.SendAsync("x");
            await roadblock.UntilArrivedAsync(i);
            Volatile.Write(ref fails, false);

            await Echo.RoundTripAsync(other);
        }

        Assert.Contains(roadblock.Threads, static name => TestApp.IsLoopThread(name));
    }
}
