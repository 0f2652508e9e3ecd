namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// Connection ids as Kestrel's: 13 characters of base 32, ascending, unique in the process.
/// </summary>
internal static class ConnectionId
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

    // Ids go on rising over restarts of the process.
    private static long _last = DateTime.UtcNow.Ticks;

    internal static string Next() => string.Create(13, Interlocked.Increment(ref _last), static (id, value) =>
    {
        for (var i = id.Length - 1; i >= 0; i--)
        {
            id[i] = Digits[(int)(value & 31)];
            value >>= 5;
        }
    });
}
