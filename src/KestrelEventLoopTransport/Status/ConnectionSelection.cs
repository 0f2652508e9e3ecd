using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Status;

/// <summary>Chooses the connections that are shown, and describes them.</summary>
/// <param name="survey">Looks at the connections.</param>
internal sealed class ConnectionSelection(ConnectionSurvey survey)
{
    /// <summary>The connections with the most of what a query asks for, the most first.</summary>
    /// <param name="looks">All connections.</param>
    /// <param name="query">The query.</param>
    internal ConnectionsReport Select(ConnectionLook[] looks, ConnectionQuery query)
    {
        var now = LoopClock.Now;
        var asked = query.Order >= ConnectionOrder.Rtt ? survey.Ask(looks) : [];
        var chosen = new PriorityQueue<int, (long, long)>(query.Top + 1);
        var matches = 0;
        for (var i = 0; i < looks.Length; i++)
        {
            if (query.Search.Length != 0 && !Matches(looks[i].Connection, query.Search))
            {
                continue;
            }

            matches++;

            // The smallest of the chosen ones leaves. Among equal ones the older stay.
            var known = i < asked.Length ? asked[i] : new KernelLook(-1, -1);
            chosen.Enqueue(i, (KeyOf(looks[i], query.Order, known, now), now - looks[i].Connection.OpenedAt));
            if (chosen.Count > query.Top)
            {
                chosen.Dequeue();
            }
        }

        var rows = new ConnectionReport[chosen.Count];
        for (var i = rows.Length - 1; i >= 0; i--)
        {
            rows[i] = Describe(looks[chosen.Dequeue()], now);
        }

        return new ConnectionsReport(looks.Length, matches, query.Order.ToString().ToLowerInvariant(), rows);
    }

    private static long KeyOf(ConnectionLook look, ConnectionOrder order, KernelLook known, long now) => order switch
    {
        ConnectionOrder.Idle => now - look.IdleSince,
        ConnectionOrder.Buffered => look.Buffered,
        ConnectionOrder.Rtt => known.RoundTrip,
        ConnectionOrder.Retransmits => known.Retransmits,
        _ => now - look.Connection.OpenedAt,
    };

    private static bool Matches(StreamConnection connection, string search)
        => Contains(connection.ConnectionId, search)
            || Contains(NameOf(connection.PeekRemote()), search)
            || Contains(NameOf(connection.PeekLocal()), search)
            || Contains(NameOf(connection.Status), search);

    private static bool Contains(string text, string search)
        => text.Contains(search, StringComparison.OrdinalIgnoreCase);

    private static ConnectionReport Describe(ConnectionLook look, long now)
    {
        var connection = look.Connection;
        var info = connection.ReadTcpInfo();
        return new ConnectionReport(
            connection.ConnectionId,
            connection.Loop.Index,
            NameOf(connection.PeekRemote()),
            NameOf(connection.PeekLocal()),
            NameOf(connection.Status),
            Seconds(now - connection.OpenedAt),
            Seconds(info is { TimeSinceSent: { } sent, TimeSinceReceived: { } received }
                ? (long)Math.Min(sent.TotalMilliseconds, received.TotalMilliseconds)
                : now - look.IdleSince),
            connection.ReceivedBytes,
            connection.SentBytes,
            connection.UnreadBytes,
            connection.UnsentBytes,
            info?.RoundTripTime is { } time ? Math.Round(time.TotalMilliseconds, 3) : null,
            info?.SegmentsRetransmitted);
    }

    private static double Seconds(long milliseconds) => Math.Max(milliseconds, 0) / 1000.0;

    private static string NameOf(EndPoint? endPoint) => endPoint?.ToString() ?? "";

    private static string NameOf(ConnectionStatus status) => status switch
    {
        ConnectionStatus.PeerSends => "waits for the peer to send",
        ConnectionStatus.PeerReads => "waits for the peer to read",
        ConnectionStatus.ReadingPaused => "paused: the application does not read",
        ConnectionStatus.AcceptQueue => "waits to be accepted",
        ConnectionStatus.Draining => "sends the rest",
        ConnectionStatus.Ending => "has ended",
        _ => "waits for the application",
    };
}
