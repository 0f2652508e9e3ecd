using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>The part of <c>struct statx</c> that is used; its layout is the same on every processor.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct FileStatus
{
    [FieldOffset(28)]
    public ushort Mode;

    [FieldOffset(32)]
    public ulong Inode;

    [FieldOffset(80)]
    public long BirthSeconds;

    [FieldOffset(88)]
    public uint BirthNanoseconds;

    [FieldOffset(136)]
    public uint DeviceMajor;

    [FieldOffset(140)]
    public uint DeviceMinor;
}
