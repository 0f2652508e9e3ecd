namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Command: For sh. It prints the ready line of ServerPorts and ends with "exec program", so that the program has the
// process id whose CPU time is read.
internal sealed record Peer(string Name, string Command)
{
    // Null when the text is not NAME=COMMAND.
    public static Peer? Parse(string text)
    {
        var end = text.IndexOf('=', StringComparison.Ordinal);
        return end <= 0 ? null : new Peer(text[..end], text[(end + 1)..]);
    }
}
