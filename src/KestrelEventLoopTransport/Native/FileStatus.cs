using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// The parts of a file's status that the transport uses: <c>statx(2)</c> on Linux, <c>lstat(2)</c> elsewhere.
/// </summary>
internal unsafe struct FileStatus
{
    // Larger than struct stat of any system: 144 bytes on macOS, 224 on FreeBSD, 256 for statx.
    private const int Size = 256;

    public ushort Mode;
    public ulong Device;
    public ulong Inode;

    /// <summary>The time of birth of the file; zero where the file system does not record it.</summary>
    public long BirthSeconds;

    /// <inheritdoc cref="BirthSeconds"/>
    public uint BirthNanoseconds;

    /// <summary>Reads the status of a file. Does not follow a symbolic link. False when there is no file.</summary>
    internal static bool TryRead(byte* path, out FileStatus status)
        => OperatingSystem.IsLinux()
            ? TryReadExtended(Linux.AT_FDCWD, path, Linux.AT_SYMLINK_NOFOLLOW, out status)
            : TryReadLink(path, out status);

    /// <summary>Reads the status of an open file. Linux only.</summary>
    internal static bool TryRead(int fd, out FileStatus status)
    {
        byte empty = 0;
        return TryReadExtended(fd, &empty, Linux.AT_EMPTY_PATH, out status);
    }

    private static bool TryReadExtended(int directory, byte* path, int flags, out FileStatus status)
    {
        const uint mask = Linux.STATX_TYPE | Linux.STATX_INO | Linux.STATX_BTIME;
        var bytes = stackalloc byte[Size];
        var found = Libc.statx(directory, path, flags, mask, bytes) >= 0;
        status = found
            ? Read(
                bytes,
                Linux.StatxModeOffset,
                Linux.StatxDeviceOffset,
                Linux.StatxInodeOffset,
                Linux.StatxBirthOffset)
            : default;
        return found;
    }

    private static bool TryReadLink(byte* path, out FileStatus status)
    {
        var bytes = stackalloc byte[Size];
        var result = OperatingSystem.IsMacOS() && RuntimeInformation.ProcessArchitecture == Architecture.X64
            ? Libc.lstat_inode64(path, bytes)
            : Libc.lstat(path, bytes);
        status = result < 0 ? default
            : OperatingSystem.IsMacOS() ? ReadMacOS(bytes)
            : Read(
                bytes,
                FreeBSD.StatModeOffset,
                FreeBSD.StatDeviceOffset,
                FreeBSD.StatInodeOffset,
                FreeBSD.StatBirthOffset);
        return result >= 0;
    }

    // On macOS dev_t has 32 bits.
    private static FileStatus ReadMacOS(byte* bytes)
    {
        var status = Read(
            bytes, MacOS.StatModeOffset, MacOS.StatDeviceOffset, MacOS.StatInodeOffset, MacOS.StatBirthOffset);
        status.Device = (uint)status.Device;
        return status;
    }

    // The device is one number of 64 bits on FreeBSD and two of 32 in statx.
    private static FileStatus Read(byte* bytes, int mode, int device, int inode, int birth) => new()
    {
        Mode = *(ushort*)(bytes + mode),
        Device = Unsafe.ReadUnaligned<ulong>(bytes + device),
        Inode = Unsafe.ReadUnaligned<ulong>(bytes + inode),
        BirthSeconds = Unsafe.ReadUnaligned<long>(bytes + birth),
        BirthNanoseconds = Unsafe.ReadUnaligned<uint>(bytes + birth + sizeof(long)),
    };
}
