using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A thread that runs loops, one at a time: from when it is assigned a loop until it has lost that loop or the loop has
/// ended. In between it is parked among the standby threads.
/// </summary>
internal sealed class LoopThread
{
    private const int StatusSize = 128;

    private readonly object _gate = new();
    private readonly ThreadActivities _activities;
    private readonly StandbyThreads _standbys;
    private SafeFileHandle? _status;
    private EventLoop? _loop;
    private bool _ends;

    internal LoopThread(int number, ThreadActivities activities, StandbyThreads standbys)
    {
        _activities = activities;
        _standbys = standbys;
        Activity = activities.Add();
        try
        {
            new Thread(Run) { IsBackground = true, Name = $"event-loop-{number}" }.UnsafeStart();
        }
        catch
        {
            activities.Remove(Activity);
            throw;
        }
    }

    internal ThreadActivity Activity { get; }

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
    /// Whether the thread waits for something in the kernel, rather than runs or waits for a processor. The state in
    /// <c>/proc/thread-self/stat</c> says so (<c>proc(5)</c>). The thread's CPU clock could not tell a blocked thread
    /// from one that gets no processor.
    /// </summary>
    internal bool IsBlocked()
    {
        Span<byte> text = stackalloc byte[StatusSize];
        text = ReadStatus(text);
        // pid (name) state …; the name may hold anything but is at most 15 bytes.
        var end = text.LastIndexOf((byte)')');
        return end < 0 || end + 2 >= text.Length || text[end + 2] != (byte)'R';
    }

    /// <summary>The system's number of the thread; 0 if it is not known.</summary>
    internal int ReadThreadId()
    {
        Span<byte> text = stackalloc byte[StatusSize];
        return Utf8Parser.TryParse(ReadStatus(text), out int id, out _) ? id : 0;
    }

    private void Run()
    {
        ThreadActivity.Current = Activity;
        var status = OpenStatus();
        Volatile.Write(ref _status, status);
        while (WaitForLoop() is { } loop)
        {
            loop.Run(Activity);
            var wasStuck = Activity.LostLoop;
            Activity.LostLoop = false;
            if (!_standbys.TryPark(this, wasStuck))
            {
                break;
            }
        }

        _activities.Remove(Activity);
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
                // Application code has interrupted the thread that once ran it.
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

    /// <summary>The beginning of the thread's status; empty if it cannot be read.</summary>
    private Span<byte> ReadStatus(Span<byte> text)
    {
        try
        {
            return Volatile.Read(ref _status) is { } status ? text[..RandomAccess.Read(status, text, 0)] : [];
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return [];
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
