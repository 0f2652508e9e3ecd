using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>
/// The timers of a loop in the order of their times: a hierarchical wheel (Varghese and Lauck, 1987, scheme 7). To add
/// and to remove a node takes the same few steps however many there are. Only the owner of the loop uses it;
/// <see cref="Next"/> may be read by any thread.
/// </summary>
/// <remarks>
/// <para>
/// Each level has 64 slots. A slot of the lowest level is a millisecond wide, one of the next level 64 milliseconds,
/// and so on; seven levels reach 139 years. A node goes to the level of the highest digit, to the base of 64, in which
/// its time differs from the time of the wheel. So all nodes of a level come before those of the next one, a slot has
/// one time at which it begins, and the first slot of a level is the lowest bit of its map.
/// </para>
/// <para>
/// The wheel gives a node out when its slot begins. On the lowest level that is the node's time; above, it is earlier
/// by up to the width of the slot: the caller adds the node again, and it goes to a lower level. Of the slots that have
/// begun, that of the lowest level goes first, so a node whose time has come does not wait until a wide slot is empty.
/// </para>
/// <para>
/// A caller that sleeps need not wake up for a slot that begins. The first node is in the first slot, so
/// <see cref="FindNextDue"/> looks through that one, if it is short.
/// </para>
/// </remarks>
internal sealed class TimerWheel
{
    /// <summary>What <see cref="Next"/> is while the wheel is empty.</summary>
    internal const long Never = long.MaxValue;

    private const int Levels = 7;
    private const int BitsPerLevel = 6;
    private const int SlotsPerLevel = 1 << BitsPerLevel;
    private const long Span = 1L << (Levels * BitsPerLevel);

    // A slot with more nodes is not looked through: its nodes share the cost of a wake-up at its begin.
    private const int MaxLooked = 16;

    private const long Unknown = -1;

    private readonly TimerNode?[] _slots = new TimerNode?[Levels * SlotsPerLevel];

    // For each level, which of its slots have nodes.
    private readonly ulong[] _maps = new ulong[Levels];

    // No slot that begins before this time has nodes, but for wide ones that are being emptied: they contain it.
    private long _time;

    private long _next = Never;
    private long _nextDue = Never;

    /// <summary>When the first slot that has nodes begins, or <see cref="Never"/>.</summary>
    internal long Next => Volatile.Read(ref _next);

    /// <summary>
    /// What <see cref="FindNextDue"/> has found, or <see cref="Next"/> if a node has been added or removed since.
    /// </summary>
    internal long NextDue => Volatile.Read(ref _nextDue) is var due && due != Unknown ? due : Next;

    /// <summary>Adds a node.</summary>
    /// <param name="node">A node that is in no wheel.</param>
    /// <param name="due">Its time. One that has passed counts as now.</param>
    /// <param name="now">The time now.</param>
    /// <returns>When the wheel gives the node out: not after its time.</returns>
    internal long Add(TimerNode node, long due, long now)
    {
        Debug.Assert(!node.IsLinked, "A node is in one slot.");
        if (_next == Never)
        {
            _time = Math.Max(_time, now);
        }

        // Beyond the last level it waits in the last slot, and is added again when that begins.
        var when = Math.Min(Math.Max(due, _time), _time | (Span - 1));
        var level = BitOperations.Log2((ulong)(_time ^ when) | 1) / BitsPerLevel;
        var shift = level * BitsPerLevel;
        var digit = (int)(when >> shift) & (SlotsPerLevel - 1);
        Link(node, (level * SlotsPerLevel) + digit);
        _maps[level] |= 1UL << digit;
        var begin = when >> shift << shift;
        if (begin < _next)
        {
            Volatile.Write(ref _next, begin);
        }

        return begin;
    }

    /// <summary>Removes a node, if it is in the wheel. Keeps no reference to it.</summary>
    internal void Remove(TimerNode node)
    {
        if (!node.IsLinked)
        {
            return;
        }

        var slot = node.Slot;
        Unlink(node);
        if (_slots[slot] is null)
        {
            OnEmpty(slot);
        }
    }

    /// <summary>
    /// How long the caller may sleep: until the first node is due, or its slot begins if the slot has many; or
    /// <see cref="Never"/>. Never before <see cref="Next"/>.
    /// </summary>
    internal long FindNextDue()
    {
        if (_nextDue == Unknown)
        {
            Volatile.Write(ref _nextDue, LookForNextDue());
        }

        return _nextDue;
    }

    /// <summary>Takes a node out whose slot has begun.</summary>
    internal bool TryTake(long now, [NotNullWhen(true)] out TimerNode? node)
    {
        node = null;
        if (_next > now)
        {
            // Nothing lies between, so later nodes go to lower levels.
            _time = _next == Never ? _time : Math.Max(_time, now);
            return false;
        }

        var slot = FindBegun(now, out var begin);
        _time = Math.Max(_time, begin);
        node = _slots[slot]!;
        Remove(node);
        return true;
    }

    private void Link(TimerNode node, int slot)
    {
        // Before the first, which is the simplest: the order within a slot does not matter.
        var first = _slots[slot];
        node.Slot = slot;
        node.Next = first;
        if (first is not null)
        {
            first.Previous = node;
        }

        _slots[slot] = node;
        Volatile.Write(ref _nextDue, Unknown);
    }

    private void Unlink(TimerNode node)
    {
        if (node.Previous is { } previous)
        {
            previous.Next = node.Next;
        }
        else
        {
            _slots[node.Slot] = node.Next;
        }

        if (node.Next is { } next)
        {
            next.Previous = node.Previous;
        }

        node.Next = null;
        node.Previous = null;
        node.Slot = TimerNode.NoSlot;
        Volatile.Write(ref _nextDue, Unknown);
    }

    private long LookForNextDue()
    {
        // While a slot that has begun is emptied, its nodes and those of lower levels are mixed.
        if (_next <= _time || _next == Never)
        {
            return _next;
        }

        var looked = 0;
        var first = Never;
        for (var node = _slots[FindBegun(_next, out _)]; node is not null; node = node.Next)
        {
            if (++looked > MaxLooked)
            {
                return _next;
            }

            first = Math.Min(first, node.DueAt);
        }

        return Math.Max(first, _next);
    }

    private void OnEmpty(int slot)
    {
        _maps[slot / SlotsPerLevel] &= ~(1UL << (slot % SlotsPerLevel));
        var next = Never;
        for (var level = 0; level < Levels; level++)
        {
            next = Math.Min(next, FirstBegin(level));
        }

        Volatile.Write(ref _next, next);
    }

    /// <summary>The slot of the lowest level that has begun and has nodes. There is one.</summary>
    private int FindBegun(long now, out long begin)
    {
        var level = 0;
        while ((begin = FirstBegin(level)) > now)
        {
            level++;
        }

        return (level * SlotsPerLevel) + BitOperations.TrailingZeroCount(_maps[level]);
    }

    /// <summary>When the first slot of a level begins that has nodes, or <see cref="Never"/>.</summary>
    private long FirstBegin(int level)
    {
        if (_maps[level] == 0)
        {
            return Never;
        }

        var shift = level * BitsPerLevel;
        var lap = shift + BitsPerLevel;
        return (_time >> lap << lap) | ((long)BitOperations.TrailingZeroCount(_maps[level]) << shift);
    }
}
