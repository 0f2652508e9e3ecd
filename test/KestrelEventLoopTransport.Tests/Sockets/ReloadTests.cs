using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>
/// Kestrel binds again when the configuration of its endpoints is reloaded: options go by the endpoint's name.
/// </summary>
[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class ReloadTests : IDisposable
{
    private const UnixFileMode Mode600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Mode640 = Mode600 | UnixFileMode.GroupRead;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kelt");

    private string A => Path.Combine(_directory.FullName, "a");

    private string B => Path.Combine(_directory.FullName, "b");

    private string C => Path.Combine(_directory.FullName, "c");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_moved_endpoint_keeps_its_options_and_whoever_takes_its_place_does_not_inherit_them()
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + A,
            ["Endpoints:Other:Url"] = "http://unix:" + C,
            ["EventLoopTransport:Endpoints:Api:Unix:FileMode"] = "600",
        });
        var mode = File.GetUnixFileMode(C);
        Assert.Equal(Mode600, File.GetUnixFileMode(A));

        await server.ReloadAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + B,
            ["Endpoints:Other:Url"] = "http://unix:" + A,
            ["EventLoopTransport:Endpoints:Api:Unix:FileMode"] = "600",
        });

        Assert.Equal(Mode600, File.GetUnixFileMode(B));
        Assert.Equal(mode, File.GetUnixFileMode(A));
        Assert.False(File.Exists(C));
        Assert.Contains("Hello", await ReloadingServer.GetAsync(new UnixDomainSocketEndPoint(B)));
        AssertNoWarnings(server);
    }

    [Fact]
    public async Task Endpoints_that_change_places_take_their_options_with_them()
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + A,
            ["Endpoints:Two:Url"] = "http://unix:" + B,
            ["EventLoopTransport:Endpoints:One:Unix:FileMode"] = "600",
            ["EventLoopTransport:Endpoints:Two:Unix:FileMode"] = "640",
        });

        await server.ReloadAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + B,
            ["Endpoints:Two:Url"] = "http://unix:" + A,
            ["EventLoopTransport:Endpoints:One:Unix:FileMode"] = "600",
            ["EventLoopTransport:Endpoints:Two:Unix:FileMode"] = "640",
        });

        Assert.Equal(Mode640, File.GetUnixFileMode(A));
        Assert.Equal(Mode600, File.GetUnixFileMode(B));
    }

    [Fact]
    public async Task Options_that_change_with_the_URL_are_the_new_ones_and_those_of_bound_endpoints_stay()
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + A,
            ["Endpoints:Two:Url"] = "http://127.0.0.1:0",
            ["EventLoopTransport:Endpoints:One:Unix:FileMode"] = "600",
            ["EventLoopTransport:Priority"] = "1",
        });

        await server.ReloadAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + B,
            ["Endpoints:Two:Url"] = "http://127.0.0.1:0",
            ["Endpoints:Three:Url"] = "http://127.0.0.2:0",
            ["EventLoopTransport:Endpoints:one:Unix:FileMode"] = "640",
            ["EventLoopTransport:Endpoints:Two:Priority"] = "5",
            ["EventLoopTransport:Priority"] = "2",
        });

        Assert.Equal(Mode640, File.GetUnixFileMode(B));
        Assert.Equal([1], Priorities(server, "127.0.0.1"));
        Assert.Equal([2], Priorities(server, "127.0.0.2"));
    }

    [Fact]
    public async Task An_endpoint_that_a_reload_adds_has_its_options()
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:One:Url"] = "http://127.0.0.1:0",
        });

        await server.ReloadAsync(new()
        {
            ["Endpoints:One:Url"] = "http://127.0.0.1:0",
            ["Endpoints:Two:Url"] = "http://unix:" + A,
            ["EventLoopTransport:Endpoints:Two:Unix:FileMode"] = "600",
        });

        Assert.Equal(Mode600, File.GetUnixFileMode(A));
    }

    [Fact]
    public async Task An_endpoint_with_HTTPS_takes_its_options_along()
    {
        await using var server = await ReloadingServer.StartAsync(Values("https://127.0.0.1:0"));

        await server.ReloadAsync(Values("https://127.0.0.2:0"));

        Assert.Equal([3], Priorities(server, "127.0.0.2"));
        using var client = await RawClient.ConnectAsync(server.Monitor.Endpoints.Single().EndPoint, tls: true);
    }

    [Fact]
    public async Task Both_sockets_of_localhost_have_the_options()
    {
        var (first, second) = (FreePort.Next(), FreePort.Next());
        await using var server = await ReloadingServer.StartAsync(Values($"http://localhost:{first}"));
        var families = server.Monitor.Endpoints.Count;

        await server.ReloadAsync(Values($"http://LOCALHOST:{second}"));

        Assert.Equal(families, server.Monitor.Endpoints.Count);
        Assert.All(server.Monitor.Endpoints, listener =>
        {
            Assert.Equal(second, ((IPEndPoint)listener.EndPoint).Port);
            var descriptor = Assert.Single(ListeningSockets.FindDescriptors(listener.EndPoint));
            Assert.Equal(3, Libc.GetSocketOption(descriptor, Libc.SOL_SOCKET, Libc.SO_PRIORITY));
        });
    }

    // One endpoint for the transport, three names for Kestrel, which binds them in the order of the configuration.
    [Fact]
    public async Task Endpoints_of_the_same_address_and_port_0_are_told_apart()
    {
        var values = new Dictionary<string, string?>
        {
            ["Endpoints:A:Url"] = "http://127.0.0.1:0",
            ["Endpoints:B:Url"] = "http://127.0.0.1:0",
            ["Endpoints:C:Url"] = "http://127.0.0.1:0",
            ["EventLoopTransport:Endpoints:A:Priority"] = "1",
            ["EventLoopTransport:Endpoints:C:Priority"] = "3",
        };
        await using var server = await ReloadingServer.StartAsync(values);
        Assert.Equal([1, 0, 3], Priorities(server, "127.0.0.1"));

        // Kestrel stops B and C, and binds them again.
        values["Endpoints:B:Protocols"] = "Http1";
        values["Endpoints:C:Protocols"] = "Http1";
        await server.ReloadAsync(values);
        Assert.Equal([1, 0, 3], Priorities(server, "127.0.0.1"));

        values["Endpoints:A:Protocols"] = "Http1";
        values["Endpoints:C:Url"] = "http://127.0.0.2:0";
        await server.ReloadAsync(values);
        Assert.Equal([0, 1], Priorities(server, "127.0.0.1"));
        Assert.Equal([3], Priorities(server, "127.0.0.2"));
    }

    [Theory]
    [InlineData(
        "Endpoints:Api:Unix:FileMode",
        "9",
        "Kestrel:EventLoopTransport:Endpoints:Api:Unix:FileMode is '9'; it must be from 000 to 777 (octal).")]
    [InlineData(
        "Endpoints:Api:Unix:FileMod",
        "600",
        "Kestrel:EventLoopTransport:Endpoints:Api:Unix:FileMod is not an option of the event-loop transport.")]
    [InlineData("Endpoints:Api:Backlog", "0", "EndpointOptions.Backlog of "
        + "Kestrel:EventLoopTransport:Endpoints:Api is 0; it must be from 1 to 2147483647.")]
    [InlineData(
        "Backlog", "0", "EventLoopTransportOptions.EndpointDefaults.Backlog is 0; it must be from 1 to 2147483647.")]
    public async Task Options_that_are_not_valid_leave_those_that_were_by_name(string key, string value, string problem)
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + A,
            ["Endpoints:Other:Url"] = "http://unix:" + C,
            ["EventLoopTransport:Endpoints:Api:Unix:FileMode"] = "600",
        });
        var mode = File.GetUnixFileMode(C);

        await server.ReloadAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + B,
            ["Endpoints:Other:Url"] = "http://unix:" + A,
            ["EventLoopTransport:" + key] = value,
        });

        Assert.Equal(Mode600, File.GetUnixFileMode(B));
        Assert.Equal(mode, File.GetUnixFileMode(A));
        Assert.Equal(
            [.. new[] { B, A }.Select(path => $"The reloaded options of the event-loop transport are not "
                + $"valid. {path} is bound with the last valid options. {problem}")],
            server.Logs.Entries.Where(static entry => entry.Level >= LogLevel.Error)
                .Select(static entry => entry.Message));

        await server.ReloadAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + C,
            ["EventLoopTransport:Endpoints:Api:Unix:FileMode"] = "640",
        });

        Assert.Equal(Mode640, File.GetUnixFileMode(C));
    }

    [Theory]
    [InlineData("Two", null)]
    [InlineData("Own", "http://unix:")]
    public async Task A_new_endpoint_whose_options_are_not_valid_is_not_bound(string section, string? url)
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + A,
        });

        await server.ReloadAsync(new()
        {
            ["Endpoints:One:Url"] = "http://unix:" + A,
            ["Endpoints:Two:Url"] = "http://unix:" + B,
            [$"EventLoopTransport:Endpoints:{section}:Unix:FileMode"] = "800",
            [$"EventLoopTransport:Endpoints:{section}:Url"] = url is null ? "http://unix:" + B : url + B,
        });

        Assert.False(File.Exists(B));
        var entry = Assert.Single(server.Logs.Entries, static entry => entry.Level == LogLevel.Critical);
        Assert.Equal(
            $"Kestrel:EventLoopTransport:Endpoints:{section}:Unix:FileMode is '800'; it must be from 000 to 777 "
                + $"(octal).",
            entry.Exception!.Message);
        Assert.Contains("Hello", await ReloadingServer.GetAsync(new UnixDomainSocketEndPoint(A)));
    }

    [Fact]
    public async Task Options_of_loops_stay_although_the_loops_end_and_begin_again()
    {
        await using var server = await ReloadingServer.StartAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + A,
            ["EventLoopTransport:EventLoopCount"] = "2",
        });

        await server.ReloadAsync(new()
        {
            ["Endpoints:Api:Url"] = "http://unix:" + B,
            ["EventLoopTransport:EventLoopCount"] = "3",
        });

        Assert.Contains("Hello", await ReloadingServer.GetAsync(new UnixDomainSocketEndPoint(B)));
        Assert.Equal(2, server.Monitor.GetLoopStatistics().Count);
    }

    private static Dictionary<string, string?> Values(string url) => new()
    {
        ["Endpoints:Api:Url"] = url,
        ["EventLoopTransport:Endpoints:Api:Priority"] = "3",
    };

    /// <summary>Libc.SO_PRIORITY of the sockets at an address, in the order in which they were bound.</summary>
    private static int[] Priorities(ReloadingServer server, string address)
        => [.. server.FindDescriptors(IPAddress.Parse(address))
            .Select(static descriptor => Libc.GetSocketOption(descriptor, Libc.SOL_SOCKET, Libc.SO_PRIORITY))];

    private static void AssertNoWarnings(ReloadingServer server)
        => Assert.DoesNotContain(server.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
}
