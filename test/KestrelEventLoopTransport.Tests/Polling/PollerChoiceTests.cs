using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Tests.Polling;

/// <summary>The environment variable that chooses the poller, read once per process.</summary>
public sealed class PollerChoiceTests
{
    [Fact]
    public Task An_unknown_poller_stops_the_application_and_says_what_is_allowed()
        => ChildProcess.RunAsync(
            typeof(PollerChoiceTests), nameof(Bind_with_an_unknown_poller), (Poller.Variable, "select"));

    [Fact(Explicit = true)]
    public async Task Bind_with_an_unknown_poller()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => transport.BindAsync());

        Assert.Contains(Poller.Variable, exception.Message, StringComparison.Ordinal);
        Assert.Contains("'select'", exception.Message, StringComparison.Ordinal);
        Assert.Contains("'epoll' and 'kqueue'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public Task Kqueue_without_a_library_that_has_it_stops_the_application()
        => ChildProcess.RunAsync(
            typeof(PollerChoiceTests),
            nameof(Bind_without_kqueue),
            (Poller.Variable, "kqueue"),
            (TestLibc.KqueueVariable, ""));

    [Fact(Explicit = true)]
    public async Task Bind_without_kqueue()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        var exception = await Assert.ThrowsAsync<PlatformNotSupportedException>(() => transport.BindAsync());

        Assert.Contains(Poller.Variable, exception.Message, StringComparison.Ordinal);
    }
}
