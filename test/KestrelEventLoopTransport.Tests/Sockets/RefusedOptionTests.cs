using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Native;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Options in range that this kernel, machine or user cannot have: the bind fails and says which.</summary>
[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class RefusedOptionTests
{
    private const string OptionVariable = "KESTREL_TEST_OPTION";
    private const string LevelVariable = "KESTREL_TEST_LEVEL";
    private const string NameVariable = "KESTREL_TEST_NAME";

    [Fact]
    public async Task A_missing_device_is_named()
        => await ExpectAsync(
            static options => options.EndpointDefaults.BindToDevice = "nosuchdevice0",
            "BindToDevice = 'nosuchdevice0' cannot be set: No such device");

    [Fact]
    public async Task A_missing_congestion_control_is_named()
        => await ExpectAsync(
            static options => options.EndpointDefaults.Tcp.CongestionControl = "nosuch",
            "Tcp.CongestionControl = 'nosuch' cannot be set: No such file or directory");

    [Fact]
    public Task What_needs_a_capability_is_access_denied()
        => ChildProcess.RunAsync(typeof(RefusedOptionTests), nameof(Bind_without_a_capability));

    [Fact(Explicit = true)]
    public async Task Bind_without_a_capability()
    {
        var exception = await RestrictedBind.FailAsync(
            static () => Capabilities.Drop(Capabilities.NetAdmin, Capabilities.NetRaw),
            static options => options.EndpointDefaults.Priority = 7);

        Assert.Equal("Priority = 7 cannot be set: Operation not permitted", exception.Message);
        Assert.Equal(SocketError.AccessDenied, exception.SocketErrorCode);
    }

    // A kernel of that kind is made by a seccomp filter on the thread that binds.
    [Theory]
    [InlineData("Tcp.NotSentLowWatermark = 1", 6, 25)]
    [InlineData("Tcp.QuickAck = 1", 6, 12)]
    [InlineData("IncomingCpu = 0", 1, 49)]
    public Task An_option_that_the_system_does_not_have_is_named(string option, int level, int name)
    {
        Assert.SkipUnless(SystemCallFilter.IsSupported, "No seccomp filter for this processor.");
        return ChildProcess.RunAsync(
            typeof(RefusedOptionTests),
            nameof(Bind_without_an_option),
            (OptionVariable, option),
            (LevelVariable, $"{level}"),
            (NameVariable, $"{name}"));
    }

    [Fact(Explicit = true)]
    public async Task Bind_without_an_option()
    {
        var exception = await RestrictedBind.FailAsync(
            static () => SystemCallFilter.RefuseSocketOption(Number(LevelVariable), Number(NameVariable)),
            static options =>
            {
                options.EndpointDefaults.Tcp.NotSentLowWatermark = 1;
                options.EndpointDefaults.Tcp.QuickAck = true;
                options.EndpointDefaults.IncomingCpu = 0;
            });

        Assert.Equal(
            $"{Environment.GetEnvironmentVariable(OptionVariable)} cannot be set: Protocol not available",
            exception.Message);
        Assert.Equal(SocketError.ProtocolOption, exception.SocketErrorCode);
    }

    // The same for a system whose headers do not have it: the kernel is not even asked.
    [Fact]
    public void An_option_without_a_number_on_this_system_is_named()
    {
        var option = new SocketOption("Priority = 7", Platform.SOL_SOCKET, Platform.Missing, [7, 0, 0, 0]);

        var exception = Assert.Throws<SocketException>(() => option.Set(-1));

        Assert.Equal("Priority = 7 cannot be set: this operating system has no such option", exception.Message);
        Assert.Equal(SocketError.ProtocolOption, exception.SocketErrorCode);
    }

    // The kernel takes the option all the same.
    [Fact]
    public async Task Fast_open_that_is_switched_off_is_a_warning()
    {
        var bits = int.Parse(
            await File.ReadAllTextAsync("/proc/sys/net/ipv4/tcp_fastopen"),
            System.Globalization.CultureInfo.InvariantCulture);
        await using var transport = new TestTransport(
            ApplicationScheduling.ThreadPool, static options => options.EndpointDefaults.Tcp.FastOpenQueue = 5);
        await using var without = new TestTransport(ApplicationScheduling.ThreadPool);

        await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await without.BindAsync();

        var warnings = transport.Logs.Entries.Where(static entry => entry.Level == LogLevel.Warning).ToArray();
        if ((bits & 2) == 0)
        {
            Assert.Equal(
                $"Tcp.FastOpenQueue of 127.0.0.1:0 has no effect because net.ipv4.tcp_fastopen is {bits}. Servers need "
                    + "bit 2 of it.",
                Assert.Single(warnings).Message);
        }
        else
        {
            Assert.Empty(warnings);
        }

        Assert.DoesNotContain(without.Logs.Entries, static entry => entry.Level == LogLevel.Warning);
    }

    private static async Task ExpectAsync(Action<EventLoopTransportOptions> configure, string message)
    {
        await using var transport = new TestTransport(ApplicationScheduling.ThreadPool, configure);

        var exception = await Assert.ThrowsAnyAsync<SocketException>(() => transport.BindAsync());

        Assert.Equal(message, exception.Message);
    }

    private static int Number(string variable)
        => int.Parse(Environment.GetEnvironmentVariable(variable)!, CultureInfo.InvariantCulture);
}
