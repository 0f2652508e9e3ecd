using System.Buffers;
using System.Globalization;
using System.Text;
using KestrelEventLoopTransport.Framing;

/// <summary>Answers each line. One instance serves all connections; calls for one of them never overlap.</summary>
internal sealed class CommandHandler : FrameHandler
{
    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        var line = Encoding.UTF8.GetString(frame).Split(' ', 2);
        var answer = line[0].ToUpperInvariant() switch
        {
            "ECHO" => line.ElementAtOrDefault(1) ?? "",
            "TIME" => DateTimeOffset.UtcNow.ToString("O", CultureInfo.InvariantCulture),
            _ => "error: the commands are echo TEXT and time",
        };

        // Leaves when the frames that arrived together are done. Nothing has to be awaited.
        connection.Write(Encoding.UTF8.GetBytes(answer));
        return default;
    }
}
