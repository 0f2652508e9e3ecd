namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// Connection ids in Kestrel's format: 13 characters in base 32, ascending, unique in the process.
/// </summary>
internal static class ConnectionId
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

    // The clock, so that ids still ascend after a restart of the process.
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
