namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>A clock for systems without <c>timerfd(2)</c>: whoever sets it wakes the supervisor at once.</summary>
internal sealed class MonitorClock : SupervisorClock
{
    private readonly object _gate = new();
    private bool _isSet;

    internal override bool IsMovable => false;

    // To wake the supervisor is a context switch. On a server with some load it stays awake instead of being woken for
    // every request.
    internal override int QuietLooks => 20;

    internal override void Set(TimeSpan delay)
    {
        lock (_gate)
        {
            _isSet = true;
            Monitor.Pulse(_gate);
        }
    }

    internal override void Clear()
    {
        lock (_gate)
        {
            _isSet = false;
        }
    }

    internal override void Wait()
    {
        lock (_gate)
        {
            while (!_isSet)
            {
                Monitor.Wait(_gate);
            }

            _isSet = false;
        }
    }

    public override void Dispose()
    {
        // It has nothing to free.
    }
}
