using System.Diagnostics;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// The time for which something has been busy, up to this moment. One thread at a time begins and ends; any thread may
/// ask at any time, and never gets less than the last time.
/// </summary>
/// <remarks>
/// One word: the lowest bit says that the thing is busy now. The others are the time so far when it is not, and the
/// time so far less the clock at the beginning when it is. So both change together. Times are ticks of
/// <see cref="Stopwatch"/>. A thread that ends may write later than the clock it has read: a reader in between has
/// already counted more. So readers share the most that one of them has got.
/// </remarks>
internal struct BusyTime
{
    private const long Busy = 1;

    private long _word;
    private long _shown;

    /// <summary>For the thread that begins and ends.</summary>
    internal readonly bool IsBusy => (_word & Busy) != 0;

    internal void Begin(long now) => Volatile.Write(ref _word, Begun(_word, now));

    internal void End(long now) => Volatile.Write(ref _word, Ended(_word, now));

    /// <summary>The time so far, with the one that has begun and not ended.</summary>
    internal TimeSpan Read()
    {
        while (true)
        {
            // The clock belongs to the word if the word has not changed meanwhile.
            var shown = Volatile.Read(ref _shown);
            var word = Volatile.Read(ref _word);
            var ticks = Math.Max(shown, TicksOf(word, Stopwatch.GetTimestamp()));
            if (Volatile.Read(ref _word) == word && Interlocked.CompareExchange(ref _shown, ticks, shown) == shown)
            {
                return Stopwatch.GetElapsedTime(0, ticks);
            }
        }
    }

    internal static long Begun(long word, long now)
    {
        Debug.Assert((word & Busy) == 0, "It begins when it is not busy.");
        return (((word >> 1) - now) << 1) | Busy;
    }

    internal static long Ended(long word, long now)
    {
        Debug.Assert((word & Busy) != 0, "It ends when it is busy.");
        return TicksOf(word, now) << 1;
    }

    internal static long TicksOf(long word, long now) => (word >> 1) + ((word & Busy) != 0 ? now : 0);
}
