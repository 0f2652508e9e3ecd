using System.Diagnostics;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// How many operations of a stream are going on, and whether it is disposed: decides which thread closes the
/// connection.
/// </summary>
/// <remarks>
/// One atomic word: a count, and the bit <see cref="Disposed"/>. Legal states: <c>n</c>, open with n operations;
/// <c>Disposed | n</c>, n above 0: none begins any more, and the last that ends closes; <c>Disposed | 0</c>, the final
/// state: one thread has been told to close.
/// </remarks>
internal struct StreamUse
{
    /// <summary>No operation begins any more. Never cleared.</summary>
    internal const int Disposed = 1 << 30;

    private int _word;

    internal readonly bool IsDisposed => (Volatile.Read(in _word) & Disposed) != 0;

    /// <summary>An operation begins. False when the stream is disposed.</summary>
    internal bool TryEnter()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, isEntered) = Enter(word);
            if (!isEntered || Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return isEntered;
            }
        }
    }

    /// <summary>An operation ends. True: the caller closes the connection.</summary>
    internal bool Leave()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, closes) = Leave(word);
            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return closes;
            }
        }
    }

    /// <summary>Disposes. False when that has been done before.</summary>
    /// <param name="closes">Whether the caller closes the connection, as no operation is going on.</param>
    internal bool TryDispose(out bool closes)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, isFirst) = Dispose(word);
            closes = isFirst && next == Disposed;
            if (!isFirst || Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return isFirst;
            }
        }
    }

    /// <summary>The transition of <see cref="TryEnter"/>.</summary>
    internal static (int Next, bool IsEntered) Enter(int word)
        => (word & Disposed) != 0 ? (word, false) : (word + 1, true);

    /// <summary>The transition of <see cref="Leave()"/>.</summary>
    internal static (int Next, bool Closes) Leave(int word)
    {
        Debug.Assert((word & ~Disposed) > 0, "An operation ends once.");
        return (word - 1, word - 1 == Disposed);
    }

    /// <summary>The transition of <see cref="TryDispose"/>.</summary>
    internal static (int Next, bool IsFirst) Dispose(int word)
        => (word & Disposed) != 0 ? (word, false) : (word | Disposed, true);
}
