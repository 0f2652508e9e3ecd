using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Polling;

/// <summary>
/// The poller of macOS and FreeBSD: <c>kqueue(2)</c>, with a user event for wake-ups.
/// </summary>
/// <remarks>
/// <para>
/// Reading and writing are registered apart, both with <c>EV_CLEAR</c>: the kernel reports each once, until something
/// new happens. Registrations are collected and go to the kernel together, with the next wait.
/// </para>
/// <para>
/// Only the waiting thread uses <c>_events</c> and <c>_changes</c>, the lists that the kernel writes and reads. Any
/// thread may use <c>_pending</c>, the registrations that have not reached the kernel, under the lock. A descriptor may
/// be closed at any time after <see cref="Forget"/>. So changes are submitted under the lock as well, by a call that
/// does not wait. Then no change ever meets a descriptor that is closed, or a number that belongs to another file.
/// </para>
/// </remarks>
internal sealed unsafe class KqueuePoller : Poller
{
    private const int Capacity = 512;

    // Each registration may fail, and then needs room among the events (kqueue(2), RETURN VALUES).
    private const int MaxSubmitted = Capacity;

    // Milliseconds that registrations wait after the kernel had no memory for one.
    private const int ShortageDelay = 10;

    private readonly int _kqueue;
    private readonly Lock _lock = new();
    private readonly List<Registration> _pending = [];
    private byte* _events;
    private byte* _changes;
    private int _waitingThreadId;
    private bool _isShort;

    internal KqueuePoller()
    {
        _kqueue = Open();
        if (_kqueue < 0)
        {
            throw Errno.ToException(Errno.Last, "kqueue");
        }

        _events = AllocateLists();
        _changes = _events + (Capacity * Platform.KeventSize);
        try
        {
            // A child made by fork(2) has no kqueue, but one that replaces this process would.
            _ = Libc.fcntl(_kqueue, Posix.F_SETFD, Posix.FD_CLOEXEC);
            var error = Change(WakeEvent(Kqueue.EV_ADD | Kqueue.EV_CLEAR, 0));
            if (error != 0)
            {
                throw Errno.ToException(error, "kevent");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal override void Add(int fd, ulong token) => Add(new Registration(fd, token, Kqueue.EVFILT_READ));

    internal override void AddConnecting(int fd, ulong token)
    {
        Add(fd, token);
        _ = TryAddWritable(fd, token);
    }

    // The same registration once more looks at the descriptor again. Writing stays registered, which does no harm.
    internal override void EndConnecting(int fd, ulong token) => Add(fd, token);

    // A registration looks at the descriptor, so no edge is lost.
    internal override bool TryAddWritable(int fd, ulong token)
    {
        Add(new Registration(fd, token, Kqueue.EVFILT_WRITE));
        return true;
    }

    internal override void Forget(ulong token)
    {
        lock (_lock)
        {
            for (var i = _pending.Count - 1; i >= 0; i--)
            {
                if (_pending[i].Token == token)
                {
                    _pending.RemoveAt(i);
                }
            }
        }
    }

    internal override void Remove(int fd)
    {
        lock (_lock)
        {
            if (_events is not null)
            {
                // One call for each: without room for events, a change that fails ends the call.
                _ = Change(SocketEvent(new Registration(fd, WakeToken, Kqueue.EVFILT_READ), Kqueue.EV_DELETE));
                _ = Change(SocketEvent(new Registration(fd, WakeToken, Kqueue.EVFILT_WRITE), Kqueue.EV_DELETE));
            }
        }
    }

    internal override int Wait(int timeoutMilliseconds)
    {
        var count = Submit(ref timeoutMilliseconds);
        return count == 0 ? Wait(0, timeoutMilliseconds) : count;
    }

    internal override int Wait(TimeSpan timeout)
    {
        lock (_lock)
        {
            _waitingThreadId = Environment.CurrentManagedThreadId;
            if (_pending.Count != 0)
            {
                // The next wait submits it. If the kernel is short of memory, only that one knows for how long to wait.
                return 0;
            }
        }

        var time = timespec.From(timeout);
        return Wait(0, &time);
    }

    internal override PollEvents GetEvent(int index, out ulong token)
    {
        var entry = At(_events, index);
        token = entry->udata;
        var flags = entry->flags;
        if ((flags & Kqueue.EV_ERROR) != 0)
        {
            // The kernel has refused a registration, and not for want of memory: the descriptor was not open any more.
            return PollEvents.Error;
        }

        // The socket's error comes in fflags with EV_EOF: zero after a FIN. Bytes may still be unread.
        var ended = (flags & Kqueue.EV_EOF) != 0;
        var error = ended && entry->fflags != 0 ? PollEvents.Error : PollEvents.None;
        return entry->filter switch
        {
            Kqueue.EVFILT_READ => PollEvents.Readable | error | (ended ? PollEvents.PeerClosed : PollEvents.None),

            // Without an error, EV_EOF on this event comes from our own shutdown, or from an end that the other event
            // reports as well.
            Kqueue.EVFILT_WRITE => PollEvents.Writable | error,
            _ => PollEvents.None,
        };
    }

    internal override bool HasEvents()
    {
        // A kqueue can itself be polled, and that takes no events away (kqueue(2): Kqueues).
        lock (_lock)
        {
            var descriptor = new pollfd { fd = _kqueue, events = Posix.POLLIN };
            return _events is not null && (_pending.Count != 0 || Libc.poll(&descriptor, 1, 0) > 0);
        }
    }

    internal override void Wake()
    {
        // The lock keeps a late wake-up from using a descriptor that is closed: see EpollPoller.
        lock (_lock)
        {
            if (_events is not null)
            {
                Trigger();
            }
        }
    }

    public override void Dispose()
    {
        lock (_lock)
        {
            if (_events is null)
            {
                return;
            }

            NativeMemory.AlignedFree(_events);
            _events = null;
            _changes = null;
            _ = Libc.close(_kqueue);
        }
    }

    private void Add(Registration registration)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_events is null, this);
            _pending.Add(registration);

            // The thread that waited last will wait again and find it. If the loop goes to another thread meanwhile,
            // that thread will.
            if (_pending.Count == 1 && _waitingThreadId != Environment.CurrentManagedThreadId)
            {
                Trigger();
            }
        }
    }

    /// <summary>
    /// Submits pending registrations to the kernel and takes the events that are there. Returns their number; 0 when no
    /// registration was pending.
    /// </summary>
    private int Submit(ref int timeoutMilliseconds)
    {
        lock (_lock)
        {
            _waitingThreadId = Environment.CurrentManagedThreadId;
            if (_pending.Count == 0)
            {
                return 0;
            }

            if (_isShort)
            {
                _isShort = false;
                timeoutMilliseconds = (int)Math.Min((uint)timeoutMilliseconds, ShortageDelay);
                return 0;
            }

            var submitted = Math.Min(_pending.Count, MaxSubmitted);
            for (var i = 0; i < submitted; i++)
            {
                *At(_changes, i) = SocketEvent(_pending[i], Kqueue.EV_ADD | Kqueue.EV_CLEAR);
            }

            var count = Wait(submitted, 0);
            _pending.RemoveRange(0, submitted);
            for (var i = 0; i < count; i++)
            {
                RetryIfShort(At(_events, i));
            }

            if (_pending.Count != 0 && !_isShort)
            {
                timeoutMilliseconds = 0;
            }

            return count;
        }
    }

    private int Wait(int changes, int timeoutMilliseconds)
    {
        var timeout = new timespec
        {
            tv_sec = timeoutMilliseconds / 1000,
            tv_nsec = timeoutMilliseconds % 1000 * 1_000_000L,
        };
        return Wait(changes, timeoutMilliseconds < 0 ? null : &timeout);
    }

    private int Wait(int changes, timespec* timeout)
    {
        var count = Libc.kevent(_kqueue, _changes, changes, _events, Capacity, timeout);
        if (count >= 0)
        {
            return count;
        }
        // When interrupted, the kernel has taken all changes (kqueue(2), ERRORS).
        var error = Errno.Last;
        return error == Errno.EINTR ? 0 : throw Errno.ToException(error, "kevent");
    }

    /// <summary>A registration that the kernel had no memory for is tried again in a moment.</summary>
    private void RetryIfShort(kevent* entry)
    {
        if ((entry->flags & Kqueue.EV_ERROR) == 0 || !Errno.IsShortage(Errno.FromSystem((int)entry->data)))
        {
            return;
        }

        _pending.Add(new Registration((int)entry->ident, entry->udata, entry->filter));
        _isShort = true;
        *entry = WakeEvent(0, 0);
    }

    /// <summary>Ends the current wait, or the next one.</summary>
    private void Trigger() => _ = Change(WakeEvent(0, Kqueue.NOTE_TRIGGER));

    /// <summary>Makes one change without taking events. Returns 0 or an error.</summary>
    private int Change(kevent entry)
    {
        var change = stackalloc byte[Platform.KeventSize];
        new Span<byte>(change, Platform.KeventSize).Clear();
        *(kevent*)change = entry;
        return Libc.kevent(_kqueue, change, 1, null, 0, null) < 0 ? Errno.Last : 0;
    }

    private static kevent WakeEvent(ushort flags, uint filterFlags) => new()
    {
        filter = Platform.EVFILT_USER,
        flags = flags,
        fflags = filterFlags,
        udata = WakeToken,
    };

    private static kevent SocketEvent(Registration registration, ushort flags) => new()
    {
        ident = (nuint)registration.Fd,
        filter = registration.Filter,
        flags = flags,
        udata = registration.Token,
    };

    private static kevent* At(byte* list, int index) => (kevent*)(list + ((nint)index * Platform.KeventSize));

    private static byte* AllocateLists()
    {
        var size = (nuint)(2 * Capacity * Platform.KeventSize);
        var lists = (byte*)NativeMemory.AlignedAlloc(size, 64);
        NativeMemory.Clear(lists, size);
        return lists;
    }

    private static int Open()
    {
        try
        {
            return Libc.kqueue();
        }
        catch (EntryPointNotFoundException exception)
        {
            throw new PlatformNotSupportedException(
                $"{Variable} is 'kqueue', and the C library of this system has none.", exception);
        }
    }

    private readonly record struct Registration(int Fd, ulong Token, short Filter);
}
