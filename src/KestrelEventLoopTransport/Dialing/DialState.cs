using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// Decides which address a dial tries when: "happy eyeballs" (RFC 8305). It is pure: it is told of events and of the
/// time, and says what to do next. Not thread-safe.
/// </summary>
/// <remarks>
/// <para>
/// IPv6 addresses come first, then the families take turns (section 4). If the IPv4 addresses are known first, they
/// wait a little for the others (section 3); addresses that come later still take their turn. An attempt goes on
/// alone for a while, then the next begins beside it (section 5). A failure starts the next at once.
/// </para>
/// <para>
/// A serial dial has one attempt at a time. The time that is left is shared out over the addresses that are left, as Go
/// does it (<c>net/dial.go</c>, <c>partialDeadline</c>), so that one dead address does not use it up. Attempts beside
/// each other need no shares: each may go on to the end.
/// </para>
/// </remarks>
/// <param name="times">The times of the dial.</param>
/// <param name="begin">When it began.</param>
/// <param name="families">The address families whose addresses are still to come.</param>
internal sealed class DialState(DialTimes times, long begin, params ReadOnlySpan<AddressFamily> families)
{
    private readonly long _deadline = times.Timeout == DialTimes.Never ? DialTimes.Never : begin + times.Timeout;
    private readonly List<DialAttempt> _attempts = [];
    private readonly List<Exception> _unresolved = [];
    private readonly Queue<EndPoint> _first = new();
    private readonly Queue<EndPoint> _second = new();
    private bool _awaitsFirst = families.Contains(AddressFamily.InterNetworkV6);
    private bool _awaitsSecond = families.Contains(AddressFamily.InterNetwork);
    private bool _secondIsNext;
    private bool _hasFailed;
    private long _secondKnown;
    private long _lastStart;

    /// <summary>The attempts in the order in which they began.</summary>
    internal IReadOnlyList<DialAttempt> Attempts => _attempts;

    /// <summary>What the resolution of names has failed with.</summary>
    internal IReadOnlyList<Exception> Unresolved => _unresolved;

    private bool HasUntried => _first.Count + _second.Count > 0;

    /// <summary>The addresses of a family are known. There may be none.</summary>
    internal void OnResolved(AddressFamily family, IEnumerable<EndPoint> endPoints, long now)
    {
        var isSecond = family == AddressFamily.InterNetwork;
        var queue = isSecond ? _second : _first;
        foreach (var endPoint in endPoints)
        {
            queue.Enqueue(endPoint);
        }

        if (isSecond)
        {
            _awaitsSecond = false;
            _secondKnown = now;
        }
        else
        {
            _awaitsFirst = false;
        }
    }

    /// <summary>The addresses of a family cannot be found.</summary>
    internal void OnUnresolved(AddressFamily family, Exception error, long now)
    {
        _unresolved.Add(error);
        OnResolved(family, [], now);
    }

    /// <summary>An attempt has failed.</summary>
    internal void OnFailed(int attempt, Exception error)
    {
        Debug.Assert(_attempts[attempt].IsActive, "An attempt ends once.");
        _attempts[attempt].Error = error;
        _hasFailed = true;
    }

    /// <summary>Says what to do now. To be asked after each event, until the answer is to wait or to fail.</summary>
    internal DialMove Next(long now)
    {
        if (now >= _deadline)
        {
            return new(DialMoveKind.Fail);
        }

        var active = 0;
        var until = _deadline;
        for (var i = 0; i < _attempts.Count; i++)
        {
            if (!_attempts[i].IsActive)
            {
                continue;
            }

            if (now >= _attempts[i].Deadline)
            {
                OnFailed(i, new SocketException((int)SocketError.TimedOut));
                return new(DialMoveKind.Abandon, i);
            }

            active++;
            until = Math.Min(until, _attempts[i].Deadline);
        }

        var start = NextStart(active);
        if (start <= now)
        {
            return Start(now);
        }

        return active == 0 && !HasUntried && !_awaitsFirst && !_awaitsSecond
            ? new(DialMoveKind.Fail)
            : new(DialMoveKind.Wait, Until: Math.Min(until, start));
    }

    /// <summary>When the next attempt may begin, if nothing happens before.</summary>
    private long NextStart(int active)
    {
        if (!HasUntried)
        {
            return DialTimes.Never;
        }

        if (active > 0)
        {
            return times.IsSerial ? DialTimes.Never
                : _hasFailed ? _lastStart
                : _lastStart + times.FallbackDelay;
        }

        return _awaitsFirst && _attempts.Count == 0 ? _secondKnown + DialTimes.ResolutionDelay : _lastStart;
    }

    private DialMove Start(long now)
    {
        var fromSecond = _first.Count == 0 || (_secondIsNext && _second.Count > 0);
        _secondIsNext = !fromSecond;
        var deadline = times.IsSerial ? ShareFor(now) : DialTimes.Never;
        var endPoint = (fromSecond ? _second : _first).Dequeue();
        _attempts.Add(new DialAttempt(endPoint, deadline));
        _lastStart = now;
        _hasFailed = false;
        return new(DialMoveKind.Start, _attempts.Count - 1);
    }

    /// <summary>The deadline of the next address, which is still among those that are left.</summary>
    private long ShareFor(long now)
    {
        if (_deadline == DialTimes.Never)
        {
            return DialTimes.Never;
        }

        var left = _deadline - now;
        var share = left / (_first.Count + _second.Count);
        return now + Math.Min(left, Math.Max(share, DialTimes.LeastShare));
    }
}
