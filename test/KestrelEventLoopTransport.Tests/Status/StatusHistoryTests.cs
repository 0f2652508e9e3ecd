using KestrelEventLoopTransport.Status;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Status;

[FailsOnStock("A page of ours.")]
public sealed class StatusHistoryTests
{
    [Fact]
    public async Task Loops_measure_their_time_while_the_page_is_used_and_not_before_or_after()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        await using var pair = await transport.ConnectAsync();
        var monitor = transport.Services.GetRequiredService<EventLoopTransportMonitor>();
        using var history = new StatusHistory(monitor);
        await Echo.RoundTripAsync(pair.Client, pair.Connection);
        Assert.Equal(TimeSpan.Zero, Busy());

        history.Look();
        await Poll.UntilAsync(async () =>
        {
            await Echo.RoundTripAsync(pair.Client, pair.Connection);
            return Busy() > TimeSpan.Zero;
        });

        history.Dispose();
        await Poll.UntilAsync(async () =>
        {
            // The turn in which it ended was still measured.
            var before = Busy();
            await Echo.RoundTripAsync(pair.Client, pair.Connection);
            await Echo.RoundTripAsync(pair.Client, pair.Connection);
            return Busy() == before;
        });
        history.Look();
        var after = Busy();
        await Echo.RoundTripAsync(pair.Client, pair.Connection);
        Assert.Equal(after, Busy());

        TimeSpan Busy()
        {
            var busy = TimeSpan.Zero;
            foreach (var loop in monitor.Group!.Loops)
            {
                busy += loop.Counters.Read().Busy;
            }

            return busy;
        }
    }
}
