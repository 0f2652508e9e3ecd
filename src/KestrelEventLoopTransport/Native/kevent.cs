using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// The fields of <c>struct kevent</c> that macOS and FreeBSD have in common. An array has elements of
/// <see cref="Platform.KeventSize"/> bytes: FreeBSD's struct is longer, and the rest of it must be zero.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct kevent
{
    [FieldOffset(0)]
    public nuint ident;

    [FieldOffset(8)]
    public short filter;

    [FieldOffset(10)]
    public ushort flags;

    [FieldOffset(12)]
    public uint fflags;

    [FieldOffset(16)]
    public nint data;

    [FieldOffset(24)]
    public ulong udata;
}
