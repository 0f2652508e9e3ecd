using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// <c>struct epoll_event</c>: 32 bits of events, 64 bits of data. Packed on x64 only (<c>EPOLL_PACKED</c> in
/// <c>linux/eventpoll.h</c>), so the layout depends on the running processor.
/// </summary>
internal static unsafe class EpollEventLayout
{
    private static readonly bool _packed = RuntimeInformation.ProcessArchitecture == Architecture.X64;

    internal static int Size => _packed ? 12 : 16;

    internal static int DataOffset => _packed ? 4 : 8;

    internal static uint ReadEvents(byte* epollEvent) => *(uint*)epollEvent;

    internal static ulong ReadData(byte* epollEvent) => Unsafe.ReadUnaligned<ulong>(epollEvent + DataOffset);

    internal static void Write(byte* epollEvent, uint events, ulong data)
    {
        *(uint*)epollEvent = events;
        Unsafe.WriteUnaligned(epollEvent + DataOffset, data);
    }
}
