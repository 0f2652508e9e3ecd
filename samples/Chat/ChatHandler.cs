using System.Buffers;
using System.Text;
using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>A frame is a message in UTF-8. An empty frame is a heart-beat, which the peer sends back.</summary>
internal sealed class ChatHandler(Room room) : FrameHandler
{
    internal const int MaxLength = 1024;

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

    // Callbacks of one connection never overlap, so the count needs no lock.
    protected override ValueTask<TimeSpan?> OnTickAsync(FrameConnection connection)
    {
        var member = (Member)connection.Context!;
        if (member.MissedBeats++ >= MaxMissedBeats)
        {
            connection.Abort("The peer does not answer.");
        }
        else if (connection.TrySend([]) is SendResult.QueueFull)
        {
            connection.Abort("The peer reads too slowly.");
        }

        return default;
    }

    protected override ValueTask OnDisconnectedAsync(FrameConnection connection, Exception? exception)
    {
        room.Leave(connection);
        return Say($"* {connection.ConnectionId} has gone{(exception is null ? "" : $": {exception.Message}")}");
    }

    // A message of the maximum length and the name in front of it may be too long for a frame.
    private ValueTask Say(string text)
    {
        var message = Encoding.UTF8.GetBytes(text);
        return room.SayAsync(message[..Fit(message)]);
    }

    /// <summary>
    /// Returns how many bytes of a text fit a frame without cutting a character, whose further bytes are 10xxxxxx.
    /// </summary>
    private static int Fit(ReadOnlySpan<byte> text)
    {
        if (text.Length <= MaxLength)
        {
            return text.Length;
        }

        var length = MaxLength;
        while (length > 0 && (text[length] & 0xC0) == 0x80)
        {
            length--;
        }

        return length;
    }

    private sealed class Member(string name)
    {
        public string Name => name;

        public int MissedBeats { get; set; }
    }
}
