using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KestrelEventLoopTransport.Tests;

/// <summary>The variables of sd_listen_fds(3). The integration tests use the real tool.</summary>
[Collection(ProcessWide.Name)]
public sealed class SystemdSocketsTests : IDisposable
{
    private static readonly string[] _variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

    public void Dispose() => Array.ForEach(_variables, static variable => Environment.SetEnvironmentVariable(variable, null));

    [Theory]
    [InlineData(null, "1", null)]
    [InlineData("1", "1", null)]
    public void Without_variables_or_with_those_of_another_process_there_are_none(string? process, string? count, string? names)
    {
        Set(process, count, names);

        Assert.Empty(SystemdSockets.Find());
        Assert.Equal(0, new KestrelServerOptions().ListenSystemdSockets());
    }

    [Theory]
    [InlineData("own", null, null, "LISTEN_FDS is ''; it must be a number from 1.")]
    [InlineData("own", "0", null, "LISTEN_FDS is '0'; it must be a number from 1.")]
    [InlineData("own", "-1", null, "LISTEN_FDS is '-1'; it must be a number from 1.")]
    [InlineData("own", "2147483647", null, "LISTEN_FDS is '2147483647'; it must be a number from 1.")]
    [InlineData("own", "two", null, "LISTEN_FDS is 'two'; it must be a number from 1.")]
    [InlineData("x", "1", null, "LISTEN_PID is 'x'; it must be a number from 1.")]
    [InlineData("own", "2", "a", "LISTEN_FDNAMES has 1 names; it must have as many as LISTEN_FDS says, 2.")]
    public void Values_that_make_no_sense_are_named(string? process, string? count, string? names, string message)
    {
        Set(process == "own" ? Environment.ProcessId.ToString(CultureInfo.InvariantCulture) : process, count, names);

        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => SystemdSockets.Find()).Message);
    }

    [Fact]
    public async Task Two_sockets_have_their_names()
    {
        using var first = Reserve();
        using var second = Reserve();
        var (web, admin) = ((IPEndPoint)first.LocalEndPoint!, (IPEndPoint)second.LocalEndPoint!);
        first.Dispose();
        second.Dispose();
        var process = ChildProcess.RunAsync(
            ["systemd-socket-activate", "-l", web.ToString(), "-l", admin.ToString(), "--fdname=web:admin"],
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
        var sockets = SystemdSockets.Find();
        Assert.Equal(["web", "admin"], sockets.Select(static socket => socket.Name));

        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var kestrel = new KestrelServerOptions();
        Assert.Equal(2, kestrel.ListenSystemdSockets());
        Assert.Equal(1, kestrel.ListenSystemdSockets("admin"));
        Assert.Equal(0, kestrel.ListenSystemdSockets("other"));
        var listeners = new[] { await transport.BindAsync(sockets[0].EndPoint), await transport.BindAsync(sockets[1].EndPoint) };
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
