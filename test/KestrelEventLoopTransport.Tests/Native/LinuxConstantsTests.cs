using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Tests.Native;

/// <summary>The constants of Linux against this system's headers, through its C compiler.</summary>
public sealed class LinuxConstantsTests
{
    private const string Headers = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <linux/sockios.h>
        #include <linux/tcp.h>
        #include <netinet/in.h>
        #include <netinet/udp.h>
        #include <poll.h>
        #include <stddef.h>
        #include <stdio.h>
        #include <sys/epoll.h>
        #include <sys/eventfd.h>
        #include <sys/ioctl.h>
        #include <sys/resource.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/timerfd.h>
        #include <time.h>
        """;

    [Fact]
    public async Task Constants_and_layouts_are_those_of_the_headers()
    {
        Assert.SkipUnless(HasCompiler(), "gcc is not installed");
        Type[] constants = [typeof(Posix), typeof(Linux), typeof(Errno)];
        var ours = new Dictionary<string, long>(constants.SelectMany(SystemConstants.Of))
        {
            ["sizeof(struct sockaddr_storage)"] = Posix.SockAddrStorageSize,
            ["offsetof(struct statx, stx_mode)"] = Linux.StatxModeOffset,
            ["offsetof(struct statx, stx_ino)"] = Linux.StatxInodeOffset,
            ["offsetof(struct statx, stx_btime.tv_sec)"] = Linux.StatxBirthOffset,
            ["offsetof(struct statx, stx_btime.tv_nsec)"] = Linux.StatxBirthOffset + sizeof(long),
            ["offsetof(struct statx, stx_dev_major)"] = Linux.StatxDeviceOffset,
            ["offsetof(struct statx, stx_dev_minor)"] = Linux.StatxDeviceOffset + sizeof(int),
            ["sizeof(struct epoll_event)"] = EpollEventLayout.Size,
            ["offsetof(struct epoll_event, data)"] = EpollEventLayout.DataOffset,
            ["sizeof(struct msghdr)"] = Marshal.SizeOf<msghdr>(),
            ["offsetof(struct msghdr, msg_iovlen)"] = (long)Marshal.OffsetOf<msghdr>(nameof(msghdr.msg_iovlen)),
            ["offsetof(struct msghdr, msg_flags)"] = (long)Marshal.OffsetOf<msghdr>(nameof(msghdr.msg_flags)),
            ["sizeof(struct mmsghdr)"] = Marshal.SizeOf<mmsghdr>(),
            ["offsetof(struct mmsghdr, msg_len)"] = (long)Marshal.OffsetOf<mmsghdr>(nameof(mmsghdr.msg_len)),
            ["sizeof(struct cmsghdr)"] = Marshal.SizeOf<cmsghdr>(),
            ["offsetof(struct cmsghdr, cmsg_type)"] = (long)Marshal.OffsetOf<cmsghdr>(nameof(cmsghdr.cmsg_type)),
            ["sizeof(struct in_pktinfo)"] = Marshal.SizeOf<in_pktinfo>(),
            ["offsetof(struct in_pktinfo, ipi_spec_dst)"]
                = (long)Marshal.OffsetOf<in_pktinfo>(nameof(in_pktinfo.ipi_spec_dst)),
            ["sizeof(struct timespec)"] = Marshal.SizeOf<timespec>(),
            ["sizeof(struct itimerspec)"] = Marshal.SizeOf<itimerspec>(),
            ["sizeof(struct pollfd)"] = Marshal.SizeOf<pollfd>(),
            ["sizeof(struct iovec)"] = Marshal.SizeOf<iovec>(),
        };
        foreach (var field in typeof(tcp_info).GetFields(BindingFlags.Static | BindingFlags.NonPublic))
        {
            if (field.Name != nameof(tcp_info.Size))
            {
                ours.Add($"offsetof(struct tcp_info, tcpi_{field.Name})", (int)field.GetRawConstantValue()!);
            }
        }

        var theirs = await EvaluateAsync([.. ours.Keys]);

        Assert.Equivalent(ours, theirs, strict: true);
    }

    private static async Task<Dictionary<string, long>> EvaluateAsync(string[] expressions)
    {
        var directory = Directory.CreateTempSubdirectory("constants-");
        try
        {
            var program = Path.Combine(directory.FullName, "constants");
            var prints = expressions.Select(static expression => $"  printf(\"%lld\\n\", (long long)({expression}));");
            await File.WriteAllTextAsync(
                $"{program}.c", $"{Headers}\nint main(void) {{\n{string.Join('\n', prints)}\n}}\n");
            await RunAsync("gcc", "-o", program, $"{program}.c");
            var values = (await RunAsync(program)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return expressions.Zip(values).ToDictionary(
                static pair => pair.First, static pair => long.Parse(pair.Second, CultureInfo.InvariantCulture));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static bool HasCompiler()
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(
            static path => File.Exists(Path.Combine(path, "gcc")));

    private static async Task<string> RunAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().DefaultTimeout();
        Assert.True(process.ExitCode == 0, await error.DefaultTimeout());
        return await output.DefaultTimeout();
    }
}
