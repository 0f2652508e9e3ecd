using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Hosting;

public sealed class OptionsTests
{
    private static readonly Dictionary<string, (Action<EventLoopTransportOptions> Set, string[] Message)> _outOfRange =
        new()
        {
            ["EventLoopCount 0"] = (static o => o.EventLoopCount = 0, ["EventLoopCount", "0", "1", "1024"]),
            ["EventLoopCount 5000"] = (static o => o.EventLoopCount = 5000, ["EventLoopCount", "5000", "1", "1024"]),
            ["EventLoopCount -1"] = (static o => o.EventLoopCount = -1, ["EventLoopCount", "-1", "1", "1024"]),
            ["Backlog 0"] = (static o => o.Backlog = 0, ["Backlog", "0", "1"]),
            ["Backlog -5"] = (static o => o.Backlog = -5, ["Backlog", "-5", "1"]),
            ["MaxReadBufferSize -1"] =
            (static o => o.MaxReadBufferSize = -1, ["MaxReadBufferSize", "-1", "1", "null", "0"]),
            ["MaxWriteBufferSize -1"] =
            (static o => o.MaxWriteBufferSize = -1, ["MaxWriteBufferSize", "-1", "1", "null", "0"]),
            ["AcceptMode 9"] =
            (static o => o.EndpointDefaults.AcceptMode = (AcceptMode)9,
                ["AcceptMode", "9", .. Enum.GetNames<AcceptMode>()]),
            ["LoadBalancingPolicy 9"] =
            (static o => o.EndpointDefaults.LoadBalancingPolicy = (LoadBalancingPolicy)9,
                ["LoadBalancingPolicy", "9", .. Enum.GetNames<LoadBalancingPolicy>()]),
            ["MaxConnections 0"] = (static o => o.EndpointDefaults.MaxConnections = 0, ["MaxConnections", "0", "1"]),
            ["MaxConnectionsPolicy 9"] = (
            static o => o.EndpointDefaults.MaxConnectionsPolicy = (MaxConnectionsPolicy)9,
            ["MaxConnectionsPolicy", "9", .. Enum.GetNames<MaxConnectionsPolicy>()]),
            ["AcceptBatchSize 0"] =
                (static o => o.EndpointDefaults.AcceptBatchSize = 0, ["AcceptBatchSize", "0", "1", "1024"]),
            ["AcceptBatchSize 1025"] =
                (static o => o.EndpointDefaults.AcceptBatchSize = 1025, ["AcceptBatchSize", "1025", "1", "1024"]),
            ["TakeoverPeriod -1 s"] = (static o => o.EndpointDefaults.TakeoverPeriod = TimeSpan.FromSeconds(-1),
            ["TakeoverPeriod", "-00:00:01", "00:00:00", "00:01:00"]),
            ["TakeoverPeriod 61 s"] = (static o => o.EndpointDefaults.TakeoverPeriod = TimeSpan.FromSeconds(61),
            ["TakeoverPeriod", "00:01:01", "00:00:00", "00:01:00"]),
            ["Scheduling 99"] = (
            static o => o.Scheduling = (ApplicationScheduling)99,
            ["Scheduling", "99", .. Enum.GetNames<ApplicationScheduling>()]),
        };

    public static TheoryData<string> OutOfRange => [.. _outOfRange.Keys];

    [Theory]
    [MemberData(nameof(OutOfRange))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task A_value_out_of_range_stops_the_start_with_option_value_and_range(string name)
    {
        var (set, message) = _outOfRange[name];

        var exception = await Assert.ThrowsAsync<OptionsValidationException>(
            () => TestServer.StartAsync(new TestSettings
            {
                Scheduling = ApplicationScheduling.ThreadPool,
                Transport = set,
                Connection = Echo.RunAsync,
            }));

        Assert.All(message, part => Assert.Contains(part, exception.Message, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task Every_value_out_of_range_is_named_at_once()
    {
        var exception = await Assert.ThrowsAsync<OptionsValidationException>(
            () => TestServer.StartAsync(new TestSettings
            {
                Scheduling = ApplicationScheduling.ThreadPool,
                Transport = static options =>
                {
                    options.Backlog = -7;
                    options.MaxReadBufferSize = -8;
                },
                Connection = Echo.RunAsync,
            }));

        Assert.Contains("-7", exception.Message, StringComparison.Ordinal);
        Assert.Contains("-8", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, int.MaxValue)]
    [Trait("Contract", "options")]
    public async Task Values_at_the_ends_of_their_ranges_are_accepted(int loops, int backlog)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.ThreadPool,
            Transport = options =>
            {
                options.EventLoopCount = loops;
                options.Backlog = backlog;
                options.MaxReadBufferSize = 1;
                options.MaxWriteBufferSize = 1;
            },
            Connection = Echo.RunAsync,
        });
        using var client = await server.ConnectAsync();

        await Echo.RoundTripAsync(client, 20_000);
    }

    [Fact]
    [Trait("Contract", "options")]
    public void Defaults_are_those_of_the_stock_transport()
    {
        var options = new EventLoopTransportOptions();

        Assert.Equal(512, options.Backlog);
        Assert.True(options.NoDelay);
        Assert.Equal(1024 * 1024, options.MaxReadBufferSize);
        Assert.Equal(64 * 1024, options.MaxWriteBufferSize);
        Assert.Equal(
            Math.Clamp(Environment.ProcessorCount, 1, 1024),
            options.EventLoopCount);
    }
}
