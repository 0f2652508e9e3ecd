using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Tests.Native;

public sealed class SystemConstantsTests
{
    [Fact]
    public void Constants_of_macOS_are_those_of_its_headers()
        => Assert.Equivalent(
            SystemConstants.Parse(SystemConstants.MacOS), SystemConstants.Of(typeof(MacOS)), strict: true);

    [Fact]
    public void Constants_of_FreeBSD_are_those_of_its_headers()
        => Assert.Equivalent(
            SystemConstants.Parse(SystemConstants.FreeBSD), SystemConstants.Of(typeof(FreeBSD)), strict: true);

    [Fact]
    public void Constants_of_kqueue_are_those_of_the_headers()
        => Assert.Equivalent(
            SystemConstants.Parse(SystemConstants.Kqueue), SystemConstants.Of(typeof(Kqueue)), strict: true);

    [Fact]
    public void Constants_that_are_not_chosen_by_the_system_are_the_same_in_all_headers()
    {
        var posix = SystemConstants.Of(typeof(Posix));
        foreach (var (name, value) in SystemConstants.Parse(SystemConstants.Common))
        {
            Assert.Equal((name, value), (name, posix[name]));
        }

        // sys/_sockaddr_storage.h, bsd/sys/socket.h: _SS_MAXSIZE.
        Assert.Equal(128, Posix.SockAddrStorageSize);
    }

    [Fact]
    public void Error_numbers_of_macOS_are_translated_there_and_back()
    {
        AssertTranslated(SystemConstants.MacOSErrors, MacOS.ErrorNumbers, largest: 106, synonyms: [41, 45]);

        // EPROTOTYPE and ENOTSUP.
        Assert.Equal(Errno.EPIPE, Errno.FromSystem(41, MacOS.ErrorNumbers));
        Assert.Equal(Errno.EOPNOTSUPP, Errno.FromSystem(45, MacOS.ErrorNumbers));
    }

    [Fact]
    public void Error_numbers_of_FreeBSD_are_translated_there_and_back()
        => AssertTranslated(SystemConstants.FreeBSDErrors, FreeBSD.ErrorNumbers, largest: 97, synonyms: []);

    // struct kevent of bsd/sys/event.h (xnu): ident, filter, flags, fflags, data, udata, packed to 4 bytes; FreeBSD's
    // of sys/sys/event.h has data of 64 bits and, since release 12, four times 64 bits after udata.
    [Fact]
    public void Struct_kevent_has_the_layout_of_the_headers()
    {
        Assert.Equal(32, Unsafe.SizeOf<kevent>());
        Assert.Equal(0, OffsetOf<kevent>(nameof(kevent.ident)));
        Assert.Equal(8, OffsetOf<kevent>(nameof(kevent.filter)));
        Assert.Equal(10, OffsetOf<kevent>(nameof(kevent.flags)));
        Assert.Equal(12, OffsetOf<kevent>(nameof(kevent.fflags)));
        Assert.Equal(16, OffsetOf<kevent>(nameof(kevent.data)));
        Assert.Equal(24, OffsetOf<kevent>(nameof(kevent.udata)));

        Assert.Equal(8 + 2 + 2 + 4 + 8 + 8, MacOS.KeventSize);
        Assert.Equal(8 + 2 + 2 + 4 + 8 + 8 + (4 * 8), FreeBSD.KeventSize);
    }

    [Fact]
    public void Struct_stat_has_the_layout_of_the_headers()
    {
        // bsd/sys/stat.h (xnu), __DARWIN_STRUCT_STAT64: dev_t 4, mode_t 2, nlink_t 2, ino64_t 8 bytes,
        // uid_t 4, gid_t 4, dev_t 4 and 4 of padding; three times of 16 bytes, then that of birth.
        Assert.Equal(0, MacOS.StatDeviceOffset);
        Assert.Equal(4 + 2 + 2 + 8 + 4 + 4 + 8 + (3 * 16), MacOS.StatBirthOffset);
        Assert.Equal(4, MacOS.StatModeOffset);
        Assert.Equal(4 + 2 + 2, MacOS.StatInodeOffset);

        // sys/sys/stat.h (FreeBSD since 12): dev_t 8, ino_t 8, nlink_t 8, mode_t 2 bytes and 2 of padding,
        // uid_t 4, gid_t 4 and 4 of padding, dev_t 8; three times of 16 bytes, then that of birth.
        Assert.Equal(0, FreeBSD.StatDeviceOffset);
        Assert.Equal(8 + 8 + 8 + 4 + 4 + 8 + 8 + (3 * 16), FreeBSD.StatBirthOffset);
        Assert.Equal(8, FreeBSD.StatInodeOffset);
        Assert.Equal(8 + 8 + 8, FreeBSD.StatModeOffset);
    }

    // struct msghdr of both (sys/socket.h): pointer, socklen_t, pointer, int, pointer, socklen_t, int.
    [Fact]
    public void Struct_msghdr_of_the_BSDs_has_the_counts_in_the_lower_halves_of_Linux_s()
    {
        Assert.True(BitConverter.IsLittleEndian);
        Assert.Equal(0, OffsetOf<msghdr>(nameof(msghdr.msg_name)));
        Assert.Equal(8, OffsetOf<msghdr>(nameof(msghdr.msg_namelen)));
        Assert.Equal(16, OffsetOf<msghdr>(nameof(msghdr.msg_iov)));
        Assert.Equal(24, OffsetOf<msghdr>(nameof(msghdr.msg_iovlen)));
        Assert.Equal(32, OffsetOf<msghdr>(nameof(msghdr.msg_control)));
        Assert.Equal(40, OffsetOf<msghdr>(nameof(msghdr.msg_controllen)));
    }

    private static int OffsetOf<T>(string field) => (int)Marshal.OffsetOf<T>(field);

    private static void AssertTranslated(string table, ReadOnlySpan<int> numbers, int largest, int[] synonyms)
    {
        var theirs = SystemConstants.Parse(table);
        var ours = SystemConstants.Of(typeof(Errno));

        // Every error that the transport tells apart exists there.
        Assert.Equal(ours.Keys.Order(), theirs.Keys.Order());
        foreach (var (name, number) in theirs)
        {
            Assert.Equal((name, ours[name]), (name, (long)Errno.FromSystem((int)number, numbers)));
            Assert.Equal((name, number), (name, (long)Errno.ToSystem((int)ours[name], numbers)));
        }

        // No other is taken for one of them: EDEADLK is 11 there, which is EAGAIN here.
        for (var number = 1; number <= largest; number++)
        {
            if (!theirs.ContainsValue(number) && !synonyms.Contains(number))
            {
                var translated = Errno.FromSystem(number, numbers);
                Assert.DoesNotContain(translated, ours.Values);
                Assert.Equal(number, Errno.ToSystem(translated, numbers));
            }
        }
    }
}
