using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Tests.Native;

/// <summary>
/// A queue of the library that stands in for kqueue(2) here, called as a C program would: with elements of the size
/// that <see cref="Platform.KqueueVariable"/> says.
/// </summary>
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

    /// <summary>So many additions of events of a descriptor will find no memory.</summary>
    public static void Refuse(int fd, int count)
        => ((delegate* unmanaged<int, int, void>)Export("kqueue_refuse"))(fd, count);

    public static kevent Event(int fd, short filter, ushort flags, ulong token = 0, uint filterFlags = 0) => new()
    {
        ident = (nuint)fd,
        filter = filter,
        flags = flags,
        fflags = filterFlags,
        udata = token,
    };

    /// <summary>Makes changes, which must succeed, and takes no events.</summary>
    public void Change(params kevent[] changes) => Assert.Equal(0, Call(changes, [], 0));

    /// <summary>Events that are there now.</summary>
    public kevent[] Take(int capacity = 8) => Wait(capacity, 0);

    /// <summary>Waits for events.</summary>
    public kevent[] Wait(int capacity = 8, int milliseconds = Forever) => Call([], capacity, milliseconds);

    public kevent[] Call(kevent[] changes, int capacity, int milliseconds)
    {
        var events = new kevent[capacity];
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
    public int Call(kevent[] changes, kevent[] events, int milliseconds)
    {
        var timeout = new timespec { tv_sec = milliseconds / 1000, tv_nsec = milliseconds % 1000 * 1_000_000L };
        var changeList = new byte[changes.Length * Platform.KeventSize];
        for (var i = 0; i < changes.Length; i++)
        {
            MemoryMarshal.Write(changeList.AsSpan(i * Platform.KeventSize), changes[i]);
        }

        // What is behind the last field of an event must not matter.
        var eventList = new byte[events.Length * Platform.KeventSize];
        eventList.AsSpan().Fill(0xFF);
        int count;
        fixed (byte* change = changeList)
        fixed (byte* taken = eventList)
        {
            var kevent = (delegate* unmanaged<int, byte*, int, byte*, int, timespec*, int>)Export("kevent");
            count = kevent(_queue, change, changes.Length, taken, events.Length, milliseconds < 0 ? null : &timeout);
            if (count < 0)
            {
                return -Marshal.GetLastSystemError();
            }
        }

        for (var i = 0; i < count; i++)
        {
            events[i] = MemoryMarshal.Read<kevent>(eventList.AsSpan(i * Platform.KeventSize));
        }

        return count;
    }

    public void Dispose() => Assert.Equal(0, Close(_queue));

    private static nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
