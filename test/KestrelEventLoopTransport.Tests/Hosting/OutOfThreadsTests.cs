using System.Net;

namespace KestrelEventLoopTransport.Tests.Hosting;

[Trait("Contract", "24")]
[FailsOnStock("Stock starts no threads of its own.")]
[Slow]
public sealed class OutOfThreadsTests
{
    private const long Room = 64 * 1024 * 1024;
    private const int Loops = 1024;

    [Fact]
    public Task A_bind_without_room_for_its_threads_says_so_and_leaves_nothing()
        => ChildProcess.RunAsync(typeof(OutOfThreadsTests), nameof(Bind_without_room_for_threads));

    /// <summary>The address space is limited, so that the stacks of so many threads do not fit.</summary>
    [Fact(Explicit = true)]
    public async Task Bind_without_room_for_threads()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EventLoopCount = Loops);
        var start = ProcessState.Capture();
        var limit = default(Libc.ResourceLimit);
        Assert.Equal(0, Libc.getrlimit(Libc.RLIMIT_AS, ref limit));
        var lowered = limit;
        lowered.Current = (ulong)(VirtualMemory() + Room);
        Assert.Equal(0, Libc.setrlimit(Libc.RLIMIT_AS, ref lowered));

        var exception = await Assert.ThrowsAsync<InsufficientMemoryException>(
            async () => await transport.Factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)));

        Assert.Equal(0, Libc.setrlimit(Libc.RLIMIT_AS, ref limit));
        Assert.Contains(nameof(EventLoopTransportOptions.EventLoopCount), exception.Message);
        await Poll.UntilAsync(static () => !ProcessState.ThreadNames().Exists(
            static name => name.StartsWith("event-loop", StringComparison.Ordinal)));
        Assert.True(ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    private static long VirtualMemory()
        => long.Parse(
            File.ReadAllText("/proc/self/statm").Split(' ')[0],
            System.Globalization.CultureInfo.InvariantCulture) * Environment.SystemPageSize;
}
