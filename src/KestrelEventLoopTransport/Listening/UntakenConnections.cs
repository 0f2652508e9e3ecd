using System.Diagnostics;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Counts the connections that an acceptor has accepted and the application has not taken. With
/// <paramref name="max"/> of them the acceptor goes on hold, until the application has taken half.
/// </summary>
/// <remarks>
/// One atomic word: the lowest bit says that the acceptor is on hold, the others are the count. Legal: no hold, with
/// any count; or a hold, with a count above half of the maximum. The acceptor adds and holds; the application removes.
/// </remarks>
/// <param name="max">The most untaken connections, from 1.</param>
internal struct UntakenConnections(int max)
{
    private const int Holding = 1;
    private const int One = 2;

    private int _word;

    /// <summary>The acceptor has accepted a connection.</summary>
    internal void Add() => Interlocked.Add(ref _word, One);

    /// <summary>
    /// The application has taken a connection, or it was not queued. True when the acceptor was on hold and goes on:
    /// the caller has to resume it.
    /// </summary>
    internal bool Remove()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, resumes) = Removed(word, max);
            Debug.Assert(IsLegal(next, max), "A hold ends with the half.");
            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return resumes;
            }
        }
    }

    /// <summary>
    /// True when the acceptor is now on hold: it stops until <see cref="Remove"/> returns true, or until it has another
    /// reason to look.
    /// </summary>
    /// <param name="isNew">Whether the hold begins with this call.</param>
    internal bool TryHold(out bool isNew)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, holds) = Held(word, max);
            isNew = (next & ~word & Holding) != 0;
            Debug.Assert(IsLegal(next, max), "A hold begins at the maximum.");
            if (next == word || Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return holds;
            }
        }
    }

    internal static int Added(int word) => word + One;

    internal static (int Next, bool Resumes) Removed(int word, int max)
    {
        var next = word - One;
        return (next & Holding) != 0 && CountOf(next) <= max / 2 ? (next & ~Holding, true) : (next, false);
    }

    internal static (int Next, bool Holds) Held(int word, int max)
        => CountOf(word) >= max ? (word | Holding, true) : (word & ~Holding, false);

    internal static int CountOf(int word) => word >> 1;

    internal static bool IsLegal(int word, int max)
        => CountOf(word) >= 0 && ((word & Holding) == 0 || CountOf(word) > max / 2);
}
