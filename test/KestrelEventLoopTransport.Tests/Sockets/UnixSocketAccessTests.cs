using System.Net.Sockets;
using KestrelEventLoopTransport.Descriptors.UnixSockets;
using KestrelEventLoopTransport.Native;
using Libc = KestrelEventLoopTransport.Tests.Infrastructure.Libc;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>What is done to a Unix socket's file, and to nothing that took its place.</summary>
public sealed class UnixSocketAccessTests : IDisposable
{
    private readonly SocketPath _path = new();
    private readonly int _socket;

    public UnixSocketAccessTests() => _socket = Libc.BindUnix(_path.Path);

    [Fact]
    public void A_relative_path_is_that_of_the_directory_at_the_time()
        => Assert.Equal(
            Path.GetFullPath("relative.sock"), UnixSocketFile.PathOf(new UnixDomainSocketEndPoint("relative.sock")));

    [Theory]
    [InlineData(111u, null)]
    [InlineData(null, 222u)]
    public void Owner_and_group_are_set_one_without_the_other(uint? user, uint? group)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Giving a file away needs root.");
        var identity = UnixSocketFile.GetIdentity(_path.Path);
        UnixSocketFile.SetAccess(_path.Path, identity, null, 1, 2);

        UnixSocketFile.SetAccess(_path.Path, identity, null, user, group);

        Assert.Equal((user ?? 1, group ?? 2), Owners(_path.Path));
    }

    [Fact]
    public void Another_socket_in_the_place_of_the_file_is_left_alone()
    {
        using var other = new SocketPath();
        var mode = File.GetUnixFileMode(_path.Path);
        var descriptor = Libc.BindUnix(other.Path);
        var identity = UnixSocketFile.GetIdentity(other.Path);

        ExpectRefusal(identity);

        Assert.Equal(mode, File.GetUnixFileMode(_path.Path));
        Assert.False(UnixSocketFile.Delete(_path.Path, identity!.Value));
        Assert.True(File.Exists(_path.Path));
        Libc.close(descriptor);
    }

    // Without an identity even what is no socket would be like it.
    [Fact]
    public void A_file_that_cannot_be_known_for_the_socket_is_left_alone()
    {
        File.Delete(_path.Path);
        File.WriteAllText(_path.Path, "precious");
        var mode = File.GetUnixFileMode(_path.Path);

        ExpectRefusal(identity: null);

        Assert.Equal(mode, File.GetUnixFileMode(_path.Path));
    }

    [Fact]
    public void No_descriptor_of_the_file_stays_open()
    {
        UnixSocketFile.SetAccess(_path.Path, UnixSocketFile.GetIdentity(_path.Path), UnixFileMode.UserRead, null, null);

        Assert.DoesNotContain(_path.Path, ProcessState.Descriptors().Select(static descriptor => descriptor.Target));
    }

    [Fact]
    public void A_file_that_may_not_be_removed_stays_without_a_word()
    {
        var identity = UnixSocketFile.GetIdentity(_path.Path)!.Value;
        var directory = Path.GetDirectoryName(_path.Path)!;
        File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var deleted = true;
        var thread = new Thread(() =>
        {
            Capabilities.Drop(Capabilities.DacOverride);
            deleted = UnixSocketFile.Delete(_path.Path, identity);
        });

        thread.Start();
        Assert.True(thread.Join(TaskTimeoutExtensions.Default));

        Assert.False(deleted);
        Assert.True(File.Exists(_path.Path));
        File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Dispose()
    {
        Libc.close(_socket);
        _path.Dispose();
    }

    private static (uint User, uint Group) Owners(string path)
    {
        using var stat = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%u %g", path]) { RedirectStandardOutput = true })!;
        var numbers = stat.StandardOutput.ReadToEnd().Split();
        return (uint.Parse(numbers[0]), uint.Parse(numbers[1]));
    }

    private void ExpectRefusal(FileIdentity? identity)
    {
        var exception = Assert.ThrowsAny<SocketException>(
            () => UnixSocketFile.SetAccess(_path.Path, identity, UnixFileMode.OtherExecute, null, null));
        Assert.Equal(SocketError.AccessDenied, exception.SocketErrorCode);
    }
}
