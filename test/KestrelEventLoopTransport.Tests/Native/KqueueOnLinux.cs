using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Tests.Native;

/// <summary>A queue of the library that stands in for kqueue(2) here, called as a C program would.</summary>
internal sealed unsafe class KqueueOnLinux : IDisposable
{
    public const int Forever = -1;

    private static readonly nint _library = NativeLibrary.Load(
        Path.Combine(AppContext.BaseDirectory, TestLibc.KqueueLibrary ?? "libkqueue.so"));

    private readonly int _queue;

    public KqueueOnLinux()
    {
        _queue = ((delegate* unmanaged<int>)Export("kqueue"))();
        Assert.True(_queue >= 0);
    }

    /// <summary>The library's close(2): events of the descriptor go with it.</summary>
    public static int Close(int fd) => ((delegate* unmanaged<int, int>)Export("close"))(fd);

    public static KqueueEvent Event(int fd, short filter, ushort flags, ulong token = 0, uint filterFlags = 0) => new()
    {
        Identifier = (nuint)fd,
        Filter = filter,
        Flags = flags,
        FilterFlags = filterFlags,
        UserData = token,
    };

    /// <summary>Makes changes, which must succeed, and takes no events.</summary>
    public void Change(params KqueueEvent[] changes) => Assert.Equal(0, Call(changes, [], 0));

    /// <summary>Events that are there now.</summary>
    public KqueueEvent[] Take(int capacity = 8) => Wait(capacity, 0);

    /// <summary>Waits for events.</summary>
    public KqueueEvent[] Wait(int capacity = 8, int milliseconds = Forever) => Call([], capacity, milliseconds);

    public KqueueEvent[] Call(KqueueEvent[] changes, int capacity, int milliseconds)
    {
        var events = new KqueueEvent[capacity];
        var count = Call(changes, events, milliseconds);

        // The runtime sends its threads signals. By then the changes are made.
        while (count == -Errno.EINTR)
        {
            count = Call([], events, milliseconds);
        }

        Assert.True(count >= 0, $"kevent: {Marshal.GetPInvokeErrorMessage(-count)}");
        return events[..count];
    }

    /// <summary>Number of events, or a negated errno.</summary>
    public int Call(KqueueEvent[] changes, KqueueEvent[] events, int milliseconds)
    {
        var timeout = new TimeSpecification { Seconds = milliseconds / 1000, Nanoseconds = milliseconds % 1000 * 1_000_000L };
        fixed (KqueueEvent* change = changes)
        fixed (KqueueEvent* taken = events)
        {
            var kevent = (delegate* unmanaged<int, KqueueEvent*, int, KqueueEvent*, int, TimeSpecification*, int>)Export("kevent");
            var count = kevent(_queue, change, changes.Length, taken, events.Length, milliseconds < 0 ? null : &timeout);
            return count < 0 ? -Marshal.GetLastSystemError() : count;
        }
    }

    public void Dispose() => Assert.Equal(0, Close(_queue));

    private static nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
