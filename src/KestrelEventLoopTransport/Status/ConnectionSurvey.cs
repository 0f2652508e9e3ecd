using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Status;

/// <summary>
/// Looks at all connections, at most twice a second for all that ask, and remembers since when each has been idle. That
/// is known from the second look on; for those that are shown, the kernel knows it better.
/// </summary>
/// <remarks>
/// It reads what connections keep anyway, without a lock that a loop could wait for. It takes some 0.2 µs for each
/// connection, on the thread of the page, and looks at no more than <see cref="MaxConnections"/>.
/// </remarks>
internal sealed class ConnectionSurvey
{
    /// <summary>The most connections that are looked at.</summary>
    internal const int MaxConnections = 100_000;

    /// <summary>The most connections that the kernel is asked about, for an order by what it knows.</summary>
    internal const int MaxAsked = 10_000;

    // Milliseconds.
    private const int MaxAge = 500;

    private readonly Lock _lock = new();
    private Dictionary<StreamConnection, ConnectionLook> _before = [];
    private ConnectionLook[] _looks = [];
    private KernelLook[]? _asked;
    private long _time = long.MinValue / 2;

    /// <summary>The connections of some loops, as they are now or were half a second ago.</summary>
    internal ConnectionLook[] Look(ReadOnlySpan<EventLoop> loops)
    {
        lock (_lock)
        {
            var now = LoopClock.Now;
            if (now - _time >= MaxAge)
            {
                Survey(loops, now);
            }

            return _looks;
        }
    }

    /// <summary>What the kernel knows of the first connections of the last look, asked once for each look.</summary>
    /// <param name="looks">What <see cref="Look"/> has returned.</param>
    internal KernelLook[] Ask(ConnectionLook[] looks)
    {
        lock (_lock)
        {
            if (_asked is not null && looks == _looks)
            {
                return _asked;
            }

            var asked = Array.ConvertAll(
                looks[..Math.Min(looks.Length, MaxAsked)],
                static look => KernelLook.From(look.Connection.ReadTcpInfo()));
            _asked = looks == _looks ? asked : _asked;
            return asked;
        }
    }

    /// <summary>Nobody looks at the moment: nothing may keep the objects of connections that have ended.</summary>
    internal void Forget()
    {
        lock (_lock)
        {
            _before = [];
            _looks = [];
            _asked = null;
            _time = long.MinValue / 2;
        }
    }

    private void Survey(ReadOnlySpan<EventLoop> loops, long now)
    {
        var polled = new List<IPollable>(_looks.Length + 16);
        foreach (var loop in loops)
        {
            loop.CopyPolledTo(polled, MaxConnections);
        }

        var seen = new Dictionary<StreamConnection, ConnectionLook>(polled.Count);
        foreach (var connection in polled.OfType<StreamConnection>())
        {
            var bytes = connection.ReceivedBytes + connection.SentBytes;
            var idleSince = bytes == 0 ? connection.OpenedAt
                : _before.TryGetValue(connection, out var before) && before.Bytes == bytes ? before.IdleSince
                : now;
            seen[connection] = new ConnectionLook(
                connection, bytes, idleSince, connection.UnreadBytes + connection.UnsentBytes);
        }

        _before = seen;
        _looks = [.. seen.Values];
        _asked = null;
        _time = now;
    }
}
