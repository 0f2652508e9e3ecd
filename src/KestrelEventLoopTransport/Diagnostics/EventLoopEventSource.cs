using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Tracing;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// The event source <c>KestrelEventLoopTransport</c>, for <c>dotnet-trace</c> and <c>dotnet-counters</c>. Its counters
/// have the names and meanings of those of <c>System.Net.Sockets</c>, which does not see the sockets of the transport.
/// </summary>
/// <remarks>
/// Whoever writes an event asks <see cref="IsOn"/> first, so that nothing is computed for an event that nobody gets.
/// </remarks>
[EventSource(Name = "KestrelEventLoopTransport")]
internal sealed class EventLoopEventSource : EventSource
{
    internal static readonly EventLoopEventSource Log = new();

    private PollingCounter[]? _counters;

    /// <summary>Whether a listener wants informational events of a keyword.</summary>
    [NonEvent]
    internal bool IsOn(EventKeywords keyword) => IsEnabled(EventLevel.Informational, keyword);

    /// <summary>Whether a listener wants the turns of the loops.</summary>
    [NonEvent]
    internal bool TracesTurns() => IsEnabled(EventLevel.Verbose, Keywords.Loops);

    /// <summary>A wait for events has ended.</summary>
    /// <param name="loop">The loop's number.</param>
    /// <param name="events">The number of events.</param>
    [Event(1, Level = EventLevel.Verbose, Keywords = Keywords.Loops,
        ActivityOptions = EventActivityOptions.Disable)]
    internal void LoopTurnStart(int loop, int events) => WriteEvent(1, loop, events);

    /// <summary>The events are served. The loop waits for the next ones.</summary>
    /// <param name="loop">The loop's number.</param>
    [Event(2, Level = EventLevel.Verbose, Keywords = Keywords.Loops,
        ActivityOptions = EventActivityOptions.Disable)]
    internal void LoopTurnStop(int loop) => WriteEvent(2, loop);

    /// <summary>A connection was accepted.</summary>
    [Event(3, Level = EventLevel.Informational, Keywords = Keywords.Connections)]
    internal void ConnectionAccepted(string connectionId, string localEndPoint, string remoteEndPoint, int loop)
        => WriteConnection(3, connectionId, localEndPoint, remoteEndPoint, loop);

    /// <summary>A client has opened a connection.</summary>
    [Event(4, Level = EventLevel.Informational, Keywords = Keywords.Connections)]
    internal void ConnectionDialed(string connectionId, string localEndPoint, string remoteEndPoint, int loop)
        => WriteConnection(4, connectionId, localEndPoint, remoteEndPoint, loop);

    /// <summary>The socket of a connection is closed.</summary>
    [Event(5, Level = EventLevel.Informational, Keywords = Keywords.Connections)]
    internal unsafe void ConnectionClosed(string connectionId, string reason, long receivedBytes, long sentBytes)
    {
        fixed (char* id = connectionId, why = reason)
        {
            var data = stackalloc EventData[4];
            data[0] = Text(id, connectionId);
            data[1] = Text(why, reason);
            data[2] = new EventData { DataPointer = (nint)(&receivedBytes), Size = sizeof(long) };
            data[3] = new EventData { DataPointer = (nint)(&sentBytes), Size = sizeof(long) };
            WriteFour(5, data);
        }
    }

    /// <summary>A loop was handed off, because application code has kept its thread.</summary>
    /// <param name="loop">The loop's number.</param>
    /// <param name="threadId">
    /// The system's number of the thread that was kept, 0 if it is not known. A trace has the stacks of that thread.
    /// </param>
    /// <param name="reason"><c>blocked</c> or <c>computing</c>.</param>
    /// <param name="target">What the application code serves: the connection and its endpoint.</param>
    [Event(6, Level = EventLevel.Informational, Keywords = Keywords.HandOffs)]
    internal unsafe void LoopHandedOff(int loop, int threadId, string reason, string target)
    {
        fixed (char* why = reason, what = target)
        {
            var data = stackalloc EventData[4];
            data[0] = new EventData { DataPointer = (nint)(&loop), Size = sizeof(int) };
            data[1] = new EventData { DataPointer = (nint)(&threadId), Size = sizeof(int) };
            data[2] = Text(why, reason);
            data[3] = Text(what, target);
            WriteFour(6, data);
        }
    }

    protected override void OnEventCommand(EventCommandEventArgs command)
    {
        if (command.Command != EventCommand.Enable)
        {
            return;
        }

        // As in System.Net.Sockets: the counters stay, and nothing reads them while nobody listens.
        _counters ??=
        [
            Counter("incoming-connections-established", "Incoming Connections Established",
                static () => ProcessTraffic.Shared.Accepted),
            Counter("outgoing-connections-established", "Outgoing Connections Established",
                static () => ProcessTraffic.Shared.Dialed),
            Counter("bytes-received", "Bytes Received", static () => Read().ReceivedBytes),
            Counter("bytes-sent", "Bytes Sent", static () => Read().SentBytes),
            Counter("datagrams-received", "Datagrams Received", static () => Read().ReceivedDatagrams),
            Counter("datagrams-sent", "Datagrams Sent", static () => Read().SentDatagrams),
        ];
    }

    private PollingCounter Counter(string name, string displayName, Func<double> read)
        => new(name, this, read) { DisplayName = displayName };

    private static Traffic Read() => ProcessTraffic.Shared.Read(Environment.TickCount64);

    [NonEvent]
    private unsafe void WriteConnection(int id, string connectionId, string local, string remote, int loop)
    {
        fixed (char* connection = connectionId, from = local, to = remote)
        {
            var data = stackalloc EventData[4];
            data[0] = Text(connection, connectionId);
            data[1] = Text(from, local);
            data[2] = Text(to, remote);
            data[3] = new EventData { DataPointer = (nint)(&loop), Size = sizeof(int) };
            WriteFour(id, data);
        }
    }

    [NonEvent]
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "All values are numbers and strings, which need no reflection.")]
    private unsafe void WriteFour(int id, EventData* data) => WriteEventCore(id, 4, data);

    // With the zero at its end.
    private static unsafe EventData Text(char* start, string text)
        => new() { DataPointer = (nint)start, Size = (text.Length + 1) * sizeof(char) };

    /// <summary>What a listener asks for. Public, because an event source looks for it so.</summary>
    public static class Keywords
    {
        public const EventKeywords Loops = (EventKeywords)1;
        public const EventKeywords Connections = (EventKeywords)2;
        public const EventKeywords HandOffs = (EventKeywords)4;
    }
}
