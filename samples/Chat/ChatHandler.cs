using System.Buffers;
using System.Text;
using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>A frame is a message in UTF-8. An empty one is a heart-beat: the peer sends it back.</summary>
internal sealed class ChatHandler(Room room) : FrameHandler
{
    private const int MaxMissedBeats = 2;

    protected override ValueTask OnConnectedAsync(FrameConnection connection)
    {
        connection.Context = new Member(connection.ConnectionId);
        room.Enter(connection);
        return Say($"* {connection.ConnectionId} has come");
    }

    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        var member = (Member)connection.Context!;
        member.MissedBeats = 0;
        return frame.IsEmpty ? default : Say($"{member.Name}: {Encoding.UTF8.GetString(frame)}");
    }

    // Callbacks of one connection take turns, so the count needs no lock.
    protected override ValueTask OnTickAsync(FrameConnection connection)
    {
        var member = (Member)connection.Context!;
        if (member.MissedBeats++ >= MaxMissedBeats)
        {
            connection.Abort("The peer does not answer.");
        }
        else if (!connection.TrySend([]) && !connection.IsClosing)
        {
            connection.Abort("The peer does not read.");
        }
        return default;
    }

    protected override ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception)
    {
        room.Leave(connection);
        return Say($"* {connection.ConnectionId} has gone{(exception is null ? "" : $": {exception.Message}")}");
    }

    // The longest message and the name in front of it still have to fit a frame.
    private ValueTask Say(string text)
    {
        var message = Encoding.UTF8.GetBytes(text);
        return room.SayAsync(message.Length <= 1024 ? message : message[..1024]);
    }

    private sealed class Member(string name)
    {
        public string Name => name;

        public int MissedBeats { get; set; }
    }
}
