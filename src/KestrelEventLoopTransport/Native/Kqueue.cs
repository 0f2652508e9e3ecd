namespace KestrelEventLoopTransport.Native;

/// <summary>Constants of <c>kqueue(2)</c> that are the same on macOS and FreeBSD (<c>sys/event.h</c>).</summary>
internal static class Kqueue
{
    internal const short EVFILT_READ = -1;
    internal const short EVFILT_WRITE = -2;

    internal const ushort EV_ADD = 0x0001;
    internal const ushort EV_DELETE = 0x0002;
    internal const ushort EV_CLEAR = 0x0020;
    internal const ushort EV_ERROR = 0x4000;
    internal const ushort EV_EOF = 0x8000;

    internal const uint NOTE_TRIGGER = 0x01000000;
}
