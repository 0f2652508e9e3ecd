using System.Globalization;

namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>
/// Counts the sockets of all processes that listen on one address and port, in <c>/proc/net/tcp</c>
/// (<c>proc(5)</c>).
/// </summary>
internal static class ReusePortMembers
{
    private const string Listen = "0A";
    private const int LocalAddress = 1;
    private const int State = 3;
    private const int User = 7;
    private const int Inode = 9;

    /// <summary>
    /// How many sockets share the address of a listening socket, this one included; 0 when that cannot be found out.
    /// </summary>
    internal static int Count(int fd)
    {
        try
        {
            var link = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}")).LinkTarget;
            return Math.Max(CountIn("/proc/net/tcp", link), CountIn("/proc/net/tcp6", link));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>The same in one table; 0 when the table does not exist, as <c>tcp6</c> without IPv6.</summary>
    internal static int CountIn(string table, string? link)
    {
        if (!File.Exists(table))
        {
            return 0;
        }

        // Listening sockets come first in the table, so the time does not depend on the number of connections.
        var rows = File.ReadLines(table)
            .Skip(1)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .TakeWhile(static row => row.Length > Inode && row[State] == Listen)
            .ToList();
        var own = rows.Find(row => $"socket:[{row[Inode]}]" == link);
        return own is null ? 0 : rows.Count(row => row[LocalAddress] == own[LocalAddress] && row[User] == own[User]);
    }
}
