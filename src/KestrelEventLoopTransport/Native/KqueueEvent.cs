using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// The fields of <c>struct kevent</c>, which are the same everywhere. An array of them has elements of
/// <see cref="Platform.KeventSize"/>: FreeBSD's have a tail, to be zero.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct KqueueEvent
{
    [FieldOffset(0)]
    public nuint Identifier;

    [FieldOffset(8)]
    public short Filter;

    [FieldOffset(10)]
    public ushort Flags;

    [FieldOffset(12)]
    public uint FilterFlags;

    [FieldOffset(16)]
    public nint Data;

    [FieldOffset(24)]
    public ulong UserData;
}
