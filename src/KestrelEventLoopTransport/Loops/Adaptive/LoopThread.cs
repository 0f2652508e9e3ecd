using Microsoft.Win32.SafeHandles;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A thread that runs loops: one at a time, from when it is assigned one until that is taken away or ends. In between
/// it is parked among the standbys.
/// </summary>
internal sealed class LoopThread
{
    private readonly object _gate = new();
    private readonly Supervisor _supervisor;
    private readonly StandbyThreads _standbys;
    private SafeFileHandle? _status;
    private EventLoop? _loop;
    private bool _ends;

    internal LoopThread(int number, Supervisor supervisor, StandbyThreads standbys)
    {
        _supervisor = supervisor;
        _standbys = standbys;
        Slot = supervisor.AddSlot();
        try
        {
            new Thread(Run) { IsBackground = true, Name = $"event-loop-{number}" }.UnsafeStart();
        }
        catch
        {
            supervisor.RemoveSlot(Slot);
            throw;
        }
    }

    internal DispatchSlot Slot { get; }

    /// <summary>Lets the parked thread run a loop.</summary>
    internal void Assign(EventLoop loop)
    {
        lock (_gate)
        {
            _loop = loop;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Ends the parked thread.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _ends = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>
    /// Whether the thread waits for something in the kernel, as against running or waiting for a processor: the
    /// state in <c>/proc/thread-self/stat</c>, <c>proc(5)</c>. The thread's CPU clock could not tell a blocked thread
    /// from one that gets no processor.
    /// </summary>
    internal bool IsBlocked()
    {
        var status = Volatile.Read(ref _status);
        if (status is null)
        {
            return true;
        }

        Span<byte> text = stackalloc byte[128];
        try
        {
            text = text[..RandomAccess.Read(status, text, 0)];
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return true;
        }
        // pid (name) state …; the name may hold anything but is at most 15 bytes.
        var end = text.LastIndexOf((byte)')');
        return end < 0 || end + 2 >= text.Length || text[end + 2] != (byte)'R';
    }

    private void Run()
    {
        DispatchSlot.OfThread = Slot;
        var status = OpenStatus();
        Volatile.Write(ref _status, status);
        while (WaitForLoop() is { } loop)
        {
            loop.Run(Slot);
            var wasStuck = Slot.LostLoop;
            Slot.LostLoop = false;
            if (!_standbys.TryPark(this, wasStuck))
            {
                break;
            }
        }

        _supervisor.RemoveSlot(Slot);
        Volatile.Write(ref _status, null);
        status?.Dispose();
        _standbys.OnEnd();
    }

    /// <summary>Null when the thread is to end.</summary>
    private EventLoop? WaitForLoop()
    {
        while (true)
        {
            try
            {
                if (TryWaitForLoop(out var loop))
                {
                    return loop;
                }
            }
            catch (ThreadInterruptedException)
            {
                // Application code had a hold of the thread.
                continue;
            }

            if (_standbys.TryRetire(this))
            {
                return null;
            }
        }
    }

    /// <summary>False when the thread has been parked for long.</summary>
    private bool TryWaitForLoop(out EventLoop? loop)
    {
        lock (_gate)
        {
            if (_loop is null && !_ends)
            {
                Monitor.Wait(_gate, _standbys.IdleTime);
            }

            loop = _loop;
            _loop = null;
            return loop is not null || _ends;
        }
    }

    private static SafeFileHandle? OpenStatus()
    {
        try
        {
            return File.OpenHandle("/proc/thread-self/stat");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
