using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Polling;

/// <summary>The poller of Linux: <c>epoll(7)</c> with an <c>eventfd(2)</c> for wake-ups.</summary>
internal sealed unsafe class EpollPoller : Poller
{
    private const int Capacity = 512;
    private const uint Input = Linux.EPOLLIN | Linux.EPOLLRDHUP | Linux.EPOLLPRI | Linux.EPOLLET;

    private readonly int _epoll;
    private readonly int _wake;
    private readonly Lock _wakeLock = new();
    private byte* _events;

    internal EpollPoller()
    {
        _epoll = Libc.epoll_create1(Linux.EPOLL_CLOEXEC);
        if (_epoll < 0)
        {
            throw Errno.ToException(Errno.Last, "epoll_create1");
        }

        _wake = Libc.eventfd(0, Linux.EFD_CLOEXEC | Linux.EFD_NONBLOCK);
        if (_wake < 0)
        {
            var error = Errno.Last;
            _ = Libc.close(_epoll);
            throw Errno.ToException(error, "eventfd");
        }

        _events = (byte*)NativeMemory.AlignedAlloc((nuint)(Capacity * EpollEventLayout.Size), 64);
        try
        {
            Add(_wake, WakeToken);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal override void Add(int fd, ulong token)
    {
        if (!TryControl(Linux.EPOLL_CTL_ADD, fd, Input, token))
        {
            throw Errno.ToException(Errno.Last, "epoll_ctl");
        }
    }

    internal override void AddConnecting(int fd, ulong token)
    {
        if (!TryControl(Linux.EPOLL_CTL_ADD, fd, Input | Linux.EPOLLOUT, token))
        {
            throw Errno.ToException(Errno.Last, "epoll_ctl");
        }
    }

    internal override void EndConnecting(int fd, ulong token)
    {
        if (!TryControl(Linux.EPOLL_CTL_MOD, fd, Input, token))
        {
            throw Errno.ToException(Errno.Last, "epoll_ctl");
        }
    }

    // A modification looks at the descriptor again (fs/eventpoll.c: ep_modify), so no edge is lost.
    internal override bool TryAddWritable(int fd, ulong token)
        => TryControl(Linux.EPOLL_CTL_MOD, fd, Input | Linux.EPOLLOUT, token);

    internal override void Remove(int fd)
    {
        // Fails if the descriptor has been closed meanwhile. The close has removed it from here as well.
        var epollEvent = stackalloc byte[EpollEventLayout.Size];
        _ = Libc.epoll_ctl(_epoll, Linux.EPOLL_CTL_DEL, fd, epollEvent);
    }

    internal override int Wait(int timeoutMilliseconds)
    {
        var count = Libc.epoll_wait(_epoll, _events, Capacity, timeoutMilliseconds);
        if (count >= 0)
        {
            return count;
        }

        var error = Errno.Last;
        return error == Errno.EINTR ? 0 : throw Errno.ToException(error, "epoll_wait");
    }

    internal override int Wait(TimeSpan timeout)
    {
        // epoll_pwait2(2) would do it in one call, but old kernels and C libraries have none. What comes to a wait that
        // is interrupted is found by the next one.
        var descriptor = new pollfd { fd = _epoll, events = Posix.POLLIN };
        var time = timespec.From(timeout);
        return Libc.ppoll(&descriptor, 1, &time, null) > 0 ? Wait(0) : 0;
    }

    internal override PollEvents GetEvent(int index, out ulong token)
    {
        var epollEvent = _events + (index * EpollEventLayout.Size);
        token = EpollEventLayout.ReadData(epollEvent);
        var bits = EpollEventLayout.ReadEvents(epollEvent);

        var events = PollEvents.None;
        if ((bits & Linux.EPOLLIN) != 0)
        {
            events |= PollEvents.Readable;
        }

        if ((bits & Linux.EPOLLOUT) != 0)
        {
            events |= PollEvents.Writable;
        }

        if ((bits & Linux.EPOLLRDHUP) != 0)
        {
            events |= PollEvents.PeerClosed;
        }

        if ((bits & Linux.EPOLLPRI) != 0)
        {
            events |= PollEvents.Urgent;
        }

        if ((bits & Linux.EPOLLERR) != 0)
        {
            events |= PollEvents.Error;
        }

        if ((bits & Linux.EPOLLHUP) != 0)
        {
            events |= PollEvents.HangUp;
        }

        return events;
    }

    internal override bool HasEvents()
    {
        // An epoll descriptor can itself be polled, and that takes no events away (epoll(7)).
        lock (_wakeLock)
        {
            var descriptor = new pollfd { fd = _epoll, events = Posix.POLLIN };
            return _events is not null && Libc.poll(&descriptor, 1, 0) > 0;
        }
    }

    internal override void Wake()
    {
        // A wake-up may come from any thread while the loop ends. The lock keeps it from writing to a descriptor that
        // is closed, and whose number may belong to another file by then. It is taken only when a loop sleeps.
        lock (_wakeLock)
        {
            if (_events is not null)
            {
                // The descriptor is edge-triggered. Every write is an event of its own, so the counter is never read.
                ulong one = 1;
                _ = Libc.write(_wake, &one, sizeof(ulong));
            }
        }
    }

    public override void Dispose()
    {
        lock (_wakeLock)
        {
            if (_events is null)
            {
                return;
            }

            NativeMemory.AlignedFree(_events);
            _events = null;
            _ = Libc.close(_wake);
            _ = Libc.close(_epoll);
        }
    }

    private bool TryControl(int operation, int fd, uint events, ulong token)
    {
        var epollEvent = stackalloc byte[EpollEventLayout.Size];
        EpollEventLayout.Write(epollEvent, events, token);
        return Libc.epoll_ctl(_epoll, operation, fd, epollEvent) == 0;
    }
}
