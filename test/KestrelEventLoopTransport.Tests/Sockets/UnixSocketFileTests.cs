using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Permissions, owner, takeover and removal of a Unix socket's file; abstract names in URLs.</summary>
[Trait("Contract", "9")]
[FailsOnStock("Stock has no options for the file, replaces none and knows no abstract names in URLs.")]
public sealed class UnixSocketFileTests
{
    [Theory]
    [InlineData(0b110_000_000)]
    [InlineData(0b110_110_110)]
    [InlineData(0b111_111_111)]
    [InlineData(0)]
    public async Task The_file_has_the_permissions_of_the_option(int mode)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, options => options.EndpointDefaults.Unix.FileMode = (UnixFileMode)mode);

        await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        Assert.Equal((UnixFileMode)mode, File.GetUnixFileMode(path.Path));
    }

    [Fact]
    public async Task Without_the_option_the_umask_decides()
    {
        using var path = new SocketPath();
        using var plainPath = new SocketPath();
        Assert.Equal(0, Libc.close(Libc.BindUnix(plainPath.Path)));
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        Assert.Equal(File.GetUnixFileMode(plainPath.Path), File.GetUnixFileMode(path.Path));
    }

    [Theory]
    [InlineData("daemon", null)]
    [InlineData(null, "daemon")]
    [InlineData("12345", "23456")]
    [InlineData("root", "daemon")]
    public async Task The_file_has_the_owner_and_group_of_the_options(string? owner, string? group)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Giving a file away needs root.");
        using var path = new SocketPath();
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, options =>
        {
            options.EndpointDefaults.Unix.Owner = owner;
            options.EndpointDefaults.Unix.Group = group;
            options.EndpointDefaults.Unix.FileMode = UnixFileMode.UserRead;
        });

        await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        var numbers = await StatAsync(path.Path, "%u %g");
        Assert.Equal($"{NumberOf("/etc/passwd", owner)} {NumberOf("/etc/group", group)}", numbers);
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(path.Path));
    }

    [Fact]
    public async Task An_unknown_user_or_group_fails_the_bind_and_leaves_no_file()
    {
        using var path = new SocketPath();
        await using var noUser = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EndpointDefaults.Unix.Owner = "no such user");
        await using var noGroup = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EndpointDefaults.Unix.Group = "nosuchgroup");
        var endPoint = new UnixDomainSocketEndPoint(path.Path);

        var user = await Assert.ThrowsAsync<InvalidOperationException>(() => noUser.BindAsync(endPoint));
        var group = await Assert.ThrowsAsync<InvalidOperationException>(() => noGroup.BindAsync(endPoint));

        Assert.Equal("Unix.Owner is 'no such user': there is no such user.", user.Message);
        Assert.Equal("Unix.Group is 'nosuchgroup': there is no such group.", group.Message);
        Assert.False(File.Exists(path.Path));
    }

    [Fact]
    public Task An_owner_that_may_not_be_set_fails_the_bind_and_leaves_no_file()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Needs a capability to give up.");
        return ChildProcess.RunAsync(typeof(UnixSocketFileTests), nameof(Bind_for_another_owner));
    }

    [Fact(Explicit = true)]
    public async Task Bind_for_another_owner()
    {
        using var path = new SocketPath();

        var denied = await RestrictedBind.FailAsync(
            static () => Capabilities.Drop(Capabilities.Chown),
            static options => options.EndpointDefaults.Unix.Owner = "12345",
            new UnixDomainSocketEndPoint(path.Path));

        Assert.Equal(SocketError.AccessDenied, denied.SocketErrorCode);
        Assert.Equal($"Unix.Owner or Unix.Group of {path.Path} cannot be set: Operation not permitted", denied.Message);
        Assert.False(File.Exists(path.Path));
    }

    [Fact]
    public async Task A_taken_over_file_has_the_permissions_too()
    {
        using var path = new SocketPath();
        Assert.Equal(0, Libc.close(Libc.BindUnix(path.Path)));
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.EndpointDefaults.Unix.FileMode = UnixFileMode.UserRead);

        await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(path.Path));
    }

    // Inode numbers are given out again at once; the loser must not remove the winner's socket.
    [Fact]
    public async Task Of_many_that_find_a_stale_file_one_takes_it_over()
    {
        const int Count = 8;
        for (var round = 0; round < 10; round++)
        {
            using var path = new SocketPath();
            Assert.Equal(0, Libc.close(Libc.BindUnix(path.Path)));
            await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
            var endPoint = new UnixDomainSocketEndPoint(path.Path);

            var results = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => Task.Run(async () =>
            {
                try
                {
                    return await transport.BindAsync(endPoint);
                }
                catch (AddressInUseException)
                {
                    return null;
                }
            })));

            var listener = Assert.Single(results, static result => result is not null);
            await using var pair = await transport.ConnectAsync(listener);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_somebody_else_put_in_place_of_the_file_stays(bool isSocket)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        File.Delete(path.Path);
        var other = -1;
        if (isSocket)
        {
            other = Libc.BindUnix(path.Path);
        }
        else
        {
            await File.WriteAllTextAsync(path.Path, "precious");
        }

        await listener.DisposeAsync().DefaultTimeout();

        Assert.True(File.Exists(path.Path));
        if (isSocket)
        {
            Libc.close(other);
        }
    }

    [Fact]
    public async Task A_stale_link_is_followed_by_nobody()
    {
        using var path = new SocketPath();
        using var target = new SocketPath();
        Assert.Equal(0, Libc.close(Libc.BindUnix(target.Path)));
        File.CreateSymbolicLink(path.Path, target.Path);
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.EndpointDefaults.Unix.FileMode = UnixFileMode.OtherRead);

        await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        Assert.NotEqual(UnixFileMode.OtherRead, File.GetUnixFileMode(target.Path));
        Assert.NotNull(new FileInfo(path.Path).LinkTarget);
    }

    [Fact]
    public async Task File_options_are_no_obstacle_to_an_abstract_name()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EndpointDefaults.Unix.FileMode = UnixFileMode.UserRead;
            options.EndpointDefaults.Unix.Owner = "0";
        });
        await using var pair = await transport.ConnectAsync(
            await transport.BindAsync(new UnixDomainSocketEndPoint($"\0kelt-{Guid.NewGuid()}")));

        Assert.NotNull(pair.Connection);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_URL_can_name_an_abstract_socket(ApplicationScheduling scheduling)
    {
        var name = $"kelt-{Guid.NewGuid()}";
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            App = static http => http.Response.WriteAsync("abstract"),
            EndPoint = new UnixDomainSocketEndPoint("/@" + name),
            Transport = options => options.ConfigureEndpoint(
                $"http://unix:/@{name}", static endPoint => endPoint.SendBufferSize = 50_000),
        });
        using var client = await RawClient.ConnectAsync(new UnixDomainSocketEndPoint("\0" + name));

        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

        Assert.EndsWith(
            "abstract\r\n0\r\n\r\n", System.Text.Encoding.ASCII.GetString(await client.ReceiveToEndAsync()));
        Assert.False(File.Exists("/@" + name));
        Assert.Equal($"http://unix:@{name}", Assert.Single(
            server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses));
        Assert.Equal(
            100_000,
            Libc.GetSocketOption(ListeningSockets.FindUnixDescriptor("@" + name), Libc.SOL_SOCKET, Libc.SO_SNDBUF));
    }

    [Fact]
    public async Task A_path_that_only_looks_like_an_abstract_name_is_a_path()
    {
        using var path = new SocketPath();
        var file = Path.Combine(Path.GetDirectoryName(path.Path)!, "@name");
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);

        await transport.BindAsync(new UnixDomainSocketEndPoint(file));

        Assert.True(File.Exists(file));
    }

    private static string NumberOf(string file, string? name)
        => name is null ? "0"
            : char.IsAsciiDigit(name[0]) ? name
            : File.ReadLines(file).Select(static line => line.Split(':')).Single(fields => fields[0] == name)[2];

    private static async Task<string> StatAsync(string path, string format)
    {
        using var stat = Process.Start(
            new ProcessStartInfo("stat", ["-c", format, path]) { RedirectStandardOutput = true })!;
        var output = await stat.StandardOutput.ReadToEndAsync().DefaultTimeout();
        await stat.WaitForExitAsync().DefaultTimeout();
        return output.Trim();
    }
}
