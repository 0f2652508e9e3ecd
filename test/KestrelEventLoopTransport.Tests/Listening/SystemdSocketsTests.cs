using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KestrelEventLoopTransport.Tests.Listening;

/// <summary>The variables of sd_listen_fds(3). The integration tests use the real tool.</summary>
[Collection(ProcessWide.Name)]
public sealed class SystemdSocketsTests : IDisposable
{
    private const string ExpectedNames = "KESTREL_TEST_EXPECTED_NAMES";

    private static readonly string[] _variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

    public void Dispose()
        => Array.ForEach(_variables, static variable => Environment.SetEnvironmentVariable(variable, null));

    [Theory]
    [InlineData(null, "1", null)]
    [InlineData("1", "1", null)]
    public void Without_variables_or_with_those_of_another_process_there_are_none(
        string? process, string? count, string? names)
    {
        Set(process, count, names);

        Assert.Empty(SystemdSockets.Find());
        Assert.Equal(0, new KestrelServerOptions().UseSystemdSockets());
    }

    // sd_listen_fds(3) answers with an error, and who calls it goes on without sockets.
    [Theory]
    [InlineData("own", null)]
    [InlineData("own", "")]
    [InlineData("own", "0")]
    [InlineData("own", "-1")]
    [InlineData("own", "2147483647")]
    [InlineData("own", "99999999999")]
    [InlineData("own", "two")]
    [InlineData("x", "1")]
    [InlineData("", "1")]
    [InlineData("-1", "1")]
    public async Task Values_that_make_no_sense_are_ignored(string process, string? count)
    {
        Set(process == "own" ? Environment.ProcessId.ToString(CultureInfo.InvariantCulture) : process, count, "a:b");

        Assert.Empty(SystemdSockets.Find());
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            Kestrel = static kestrel => Assert.Equal(0, kestrel.UseSystemdSockets()),
        });
        using var client = await server.ConnectAsync();
        await Echo.RoundTripAsync(client);
    }

    // More sockets than there are descriptors: a look at each number up to this would take hours.
    [Fact]
    public async Task A_count_beyond_what_is_open_ends_at_the_first_that_is_not()
    {
        Set(Environment.ProcessId.ToString(CultureInfo.InvariantCulture), "2147483644", null);

        await Task.Run(SystemdSockets.Find).DefaultTimeout();
    }

    [Theory]
    [InlineData("web:admin", "web", "admin")]
    [InlineData("web", "", "")]
    [InlineData("web:admin:other", "", "")]
    public Task Names_count_if_there_is_one_for_each(string names, string first, string second)
        => StartWithTwoAsync(names, $"{first}:{second}");

    private static async Task StartWithTwoAsync(string names, string expected)
    {
        using var first = Reserve();
        using var second = Reserve();
        var (web, admin) = ((IPEndPoint)first.LocalEndPoint!, (IPEndPoint)second.LocalEndPoint!);
        first.Dispose();
        second.Dispose();
        var process = ChildProcess.RunAsync(
            ["systemd-socket-activate", "-l", web.ToString(), "-l", admin.ToString(), "env", $"LISTEN_FDNAMES={names}",
                $"{ExpectedNames}={expected}"],
            typeof(SystemdSocketsTests),
            nameof(Finds_two_in_a_process_of_its_own));

        // A connection starts the process; the tool may not listen yet.
        RawClient? client = null;
        await Poll.UntilAsync(async () =>
        {
            try
            {
                client = await RawClient.ConnectAsync(web);
            }
            catch (SocketException)
            {
                // Not yet.
            }

            return client is not null || process.IsCompleted;
        });

        await process;
        client!.Dispose();
    }

    [Fact(Explicit = true)]
    public async Task Finds_two_in_a_process_of_its_own()
    {
        var names = Environment.GetEnvironmentVariable(ExpectedNames)!.Split(':');
        var sockets = SystemdSockets.Find();
        Assert.Equal(names, sockets.Select(static socket => socket.Name));

        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var kestrel = new KestrelServerOptions();
        Assert.Equal(2, kestrel.UseSystemdSockets());
        Assert.Equal(names.Count(static name => name == "admin"), kestrel.UseSystemdSockets("admin"));
        Assert.Equal(0, kestrel.UseSystemdSockets("other"));
        var listeners =
            new[] { await transport.BindAsync(sockets[0].EndPoint), await transport.BindAsync(sockets[1].EndPoint) };
        Assert.NotEqual(listeners[0].EndPoint, listeners[1].EndPoint);
        foreach (var listener in listeners)
        {
            var pair = await transport.ConnectAsync(listener);
            Assert.Equal(listener.EndPoint, pair.Connection.LocalEndPoint);
        }
    }

    private static Socket Reserve()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private static void Set(string? process, string? count, string? names)
    {
        Environment.SetEnvironmentVariable("LISTEN_PID", process);
        Environment.SetEnvironmentVariable("LISTEN_FDS", count);
        Environment.SetEnvironmentVariable("LISTEN_FDNAMES", names);
    }
}
