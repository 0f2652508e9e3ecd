using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The pollables of one loop, by token. A token has a slot number in the low half and the slot's generation in the high
/// half. The kernel reuses a descriptor number at once, but a token is not reused. So an event that is left over from a
/// closed connection never reaches the next one with the same descriptor.
/// </summary>
/// <remarks>
/// Any thread adds and removes under the lock; the loop's thread looks up without it. That is safe because the poller
/// learns a token only after <see cref="Add"/> has returned, and because a look-up checks the generation. The table is
/// also the strong reference that keeps live connections from the garbage collector.
/// </remarks>
internal sealed class PollableTable
{
    private readonly Lock _lock = new();
    private readonly Stack<int> _free = new();
    private Slot[] _slots = new Slot[64];

    // Slot 0 stays empty: its token is the poller's wake-up.
    private int _used = 1;

    internal ulong Add(IPollable pollable)
    {
        lock (_lock)
        {
            if (!_free.TryPop(out var index))
            {
                if (_used == _slots.Length)
                {
                    var larger = new Slot[_slots.Length * 2];
                    _slots.CopyTo(larger, 0);
                    Volatile.Write(ref _slots, larger);
                }

                index = _used++;
            }

            ref var slot = ref _slots[index];
            slot.Pollable = pollable;
            return ((ulong)slot.Generation << 32) | (uint)index;
        }
    }

    internal void Remove(ulong token)
    {
        lock (_lock)
        {
            var index = (int)(uint)token;
            ref var slot = ref _slots[index];
            if (slot.Generation == (uint)(token >> 32) && slot.Pollable is not null)
            {
                slot.Pollable = null;
                slot.Generation++;
                _free.Push(index);
            }
        }
    }

    /// <summary>Gives the events of a registered descriptor to another pollable.</summary>
    internal void Replace(ulong token, IPollable pollable)
    {
        lock (_lock)
        {
            ref var slot = ref _slots[(int)(uint)token];
            Debug.Assert(slot.Generation == (uint)(token >> 32), "The descriptor is registered.");
            Volatile.Write(ref slot.Pollable, pollable);
        }
    }

    /// <summary>The pollables that are registered now.</summary>
    internal List<IPollable> All()
    {
        lock (_lock)
        {
            // The loop's connections wait for the lock: one allocation, and no enumerators.
            var all = new List<IPollable>(_used - _free.Count);
            foreach (ref readonly var slot in _slots.AsSpan(0, _used))
            {
                if (slot.Pollable is { } pollable)
                {
                    all.Add(pollable);
                }
            }

            return all;
        }
    }

    /// <summary>
    /// Adds pollables to a list, without the lock, so that a look at many keeps nothing waiting. One that comes or goes
    /// meanwhile may be in the list or not.
    /// </summary>
    /// <param name="list">Gets the pollables.</param>
    /// <param name="limit">The length at which the list is full.</param>
    internal void CopyTo(List<IPollable> list, int limit)
    {
        var slots = Volatile.Read(ref _slots);
        for (var i = 0; i < slots.Length && list.Count < limit; i++)
        {
            if (Volatile.Read(ref slots[i].Pollable) is { } pollable)
            {
                list.Add(pollable);
            }
        }
    }

    internal IPollable? Find(ulong token)
    {
        var slots = Volatile.Read(ref _slots);
        var index = (uint)token;
        if (index >= (uint)slots.Length)
        {
            return null;
        }

        ref var slot = ref slots[index];
        var pollable = Volatile.Read(ref slot.Pollable);
        return slot.Generation == (uint)(token >> 32) ? pollable : null;
    }

    private struct Slot
    {
        public IPollable? Pollable;
        public uint Generation;
    }
}
