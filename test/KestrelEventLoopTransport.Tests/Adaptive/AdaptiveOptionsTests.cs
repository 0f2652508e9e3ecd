using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class AdaptiveOptionsTests
{
    private const string ThresholdRange = "from 00:00:00.0001000 to 00:00:01";

    private static readonly Dictionary<string, (Action<EventLoopTransportOptions> Set, string[] Message)> _outOfRange =
        new()
        {
            ["HandOffThreshold 0"] = (
            static o => o.Adaptive.HandOffThreshold = TimeSpan.Zero, ["HandOffThreshold is 00:00:00;", ThresholdRange]),
            ["HandOffThreshold 99 µs"] = (
            static o => o.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(99),
            ["HandOffThreshold is 00:00:00.0000990;", ThresholdRange]),
            ["HandOffThreshold 2 s"] = (
            static o => o.Adaptive.HandOffThreshold = TimeSpan.FromSeconds(2),
            ["HandOffThreshold is 00:00:02;", ThresholdRange]),
            ["HandOffThreshold infinite"] = (
            static o => o.Adaptive.HandOffThreshold = Timeout.InfiniteTimeSpan,
            ["HandOffThreshold is -00:00:00.0010000;", ThresholdRange]),
            ["MaxStandbyThreads 0"] = (
            static o => o.Adaptive.MaxStandbyThreads = 0, ["MaxStandbyThreads is 0;", "from 2 to 32767"]),
            ["MaxStandbyThreads below EventLoopCount"] = (
            static o => (o.EventLoopCount, o.Adaptive.MaxStandbyThreads) = (9, 8),
            ["MaxStandbyThreads is 8;", "from 9 to 32767"]),
            ["MaxStandbyThreads 32768"] = (
            static o => o.Adaptive.MaxStandbyThreads = 32768, ["MaxStandbyThreads is 32768;", "from 2 to 32767"]),
        };

    public static TheoryData<string> OutOfRange => [.. _outOfRange.Keys];

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public async Task A_value_out_of_range_stops_the_start_with_option_value_and_range(string name)
    {
        var (set, message) = _outOfRange[name];

        var exception = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(set));

        Assert.All(message, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(100, 1, 1)]
    [InlineData(1_000_000, 3, 3)]
    [InlineData(1_000, 1, 32767)]
    public async Task Values_at_the_ends_of_their_ranges_are_accepted(int microseconds, int loops, int standbys)
    {
        await using var server = await StartAsync(options =>
        {
            options.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(microseconds);
            options.EventLoopCount = loops;
            options.Adaptive.MaxStandbyThreads = standbys;
        });
        using var client = await server.ConnectAsync();

        await Echo.RoundTripAsync(client, 20_000);
    }

    [Fact]
    public void Defaults_are_the_documented_ones()
    {
        Assert.Equal(ApplicationScheduling.Adaptive, new EventLoopTransportOptions().Scheduling);
        Assert.Equal(TimeSpan.FromMilliseconds(1), new EventLoopTransportOptions().Adaptive.HandOffThreshold);
        Assert.Null(new EventLoopTransportOptions().Adaptive.MaxStandbyThreads);
        Assert.Equal(128, new EventLoopTransportOptions { EventLoopCount = 4 }.MaxStandbyThreads);
        Assert.Equal(200, new EventLoopTransportOptions { EventLoopCount = 200 }.MaxStandbyThreads);
    }

    private static Task<TestServer> StartAsync(Action<EventLoopTransportOptions> set)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = set,
            Connection = Echo.RunAsync,
        });
}
