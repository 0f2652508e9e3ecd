namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// The slots of pool threads that run no callbacks of a loop just now. Those that were needed once, when many callbacks
/// blocked, are given up by and by.
/// </summary>
internal sealed class FreeSlots
{
    private readonly Lock _lock = new();

    // Taken from the end, so the one at the start has been free for longest.
    private readonly List<(DispatchSlot Slot, long Since)> _free = [];
    private readonly Supervisor _supervisor;
    private readonly long _idleMilliseconds;

    /// <param name="supervisor">Watches the slots, free or not.</param>
    /// <param name="idleTime">How long a slot stays free before it is given up, when the next one comes back.</param>
    internal FreeSlots(Supervisor supervisor, TimeSpan idleTime)
    {
        _supervisor = supervisor;
        _idleMilliseconds = (long)idleTime.TotalMilliseconds;
    }

    internal DispatchSlot Take()
    {
        lock (_lock)
        {
            if (_free.Count != 0)
            {
                var slot = _free[^1].Slot;
                _free.RemoveAt(_free.Count - 1);
                return slot;
            }
        }

        return _supervisor.AddSlot();
    }

    internal void Return(DispatchSlot slot)
    {
        DispatchSlot? idle = null;
        var now = Environment.TickCount64;
        lock (_lock)
        {
            if (_free.Count != 0 && now - _free[0].Since > _idleMilliseconds)
            {
                idle = _free[0].Slot;
                _free.RemoveAt(0);
            }

            _free.Add((slot, now));
        }

        if (idle is not null)
        {
            _supervisor.RemoveSlot(idle);
        }
    }
}
