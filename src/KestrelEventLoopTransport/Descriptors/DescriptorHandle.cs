using System.Diagnostics;

namespace KestrelEventLoopTransport.Descriptors;

/// <summary>
/// A descriptor and the count of references that keep it open. A thread makes system calls on the descriptor only while
/// it holds a reference, or after it has released the last one. So no system call meets a descriptor that is closed, or
/// one that the kernel has given to another socket since.
/// </summary>
/// <remarks>
/// <para>
/// One atomic word, as Go's <c>fdMutex</c>: a count of references and the bit <see cref="Closing"/>. Legal states:
/// </para>
/// <list type="bullet">
/// <item><c>n</c>, n above 0: open. References can be added.</item>
/// <item><c>Closing | n</c>, n above 0: no reference can be added. The thread that releases the last one closes the
/// descriptor.</item>
/// <item><c>Closing | 0</c>, the final state: the descriptor is closed, or the thread that released the last reference
/// is closing it.</item>
/// </list>
/// </remarks>
internal struct DescriptorHandle
{
    /// <summary>No reference can be added any more. Never cleared.</summary>
    internal const int Closing = 1 << 30;

    private int _word;

    /// <param name="value">The descriptor's number.</param>
    /// <param name="references">The references that exist from the start, at least 1.</param>
    internal DescriptorHandle(int value, int references)
    {
        Value = value;
        _word = references;
        Debug.Assert(IsLegal(_word) && references > 0, "A descriptor is open as long as there is a reference.");
    }

    /// <summary>The descriptor's number.</summary>
    internal int Value { get; }

    /// <summary>Whether there are at least two references now.</summary>
    internal readonly bool IsShared => CountOf(Volatile.Read(in _word)) > 1;

    /// <summary>Whether no reference can be added any more. It stays so.</summary>
    internal readonly bool IsClosing => (Volatile.Read(in _word) & Closing) != 0;

    /// <summary>Adds a reference. False when the descriptor is closed or about to be.</summary>
    internal bool TryAddReference()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, isAdded) = AddReference(word);
            if (!isAdded || TryMove(word, next))
            {
                return isAdded;
            }
        }
    }

    /// <summary>Takes a reference away. True: it was the last one, and the caller closes the descriptor.</summary>
    internal bool Release()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, isLast) = Release(word);
            if (TryMove(word, next))
            {
                return isLast;
            }
        }
    }

    /// <summary>
    /// Allows no further reference and takes one away, once: a second call does nothing. True: it was the last one,
    /// and the caller closes the descriptor.
    /// </summary>
    internal bool Close()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (next, isLast) = Close(word);
            if (next == word || TryMove(word, next))
            {
                return isLast;
            }
        }
    }

    /// <summary>Whether a word is one of the legal states.</summary>
    internal static bool IsLegal(int word) => word >= 0 && (CountOf(word) > 0 || word == Closing);

    /// <summary>The transition of <see cref="TryAddReference"/>.</summary>
    internal static (int Next, bool IsAdded) AddReference(int word)
        => (word & Closing) != 0 ? (word, false) : (word + 1, true);

    /// <summary>The transition of <see cref="Release()"/>.</summary>
    internal static (int Next, bool IsLast) Release(int word)
    {
        Debug.Assert(CountOf(word) > 0, "A reference is released once.");
        return CountOf(word) == 1 ? (Closing, true) : (word - 1, false);
    }

    /// <summary>The transition of <see cref="Close()"/>.</summary>
    internal static (int Next, bool IsLast) Close(int word)
        => (word & Closing) != 0 ? (word, false) : Release(word | Closing);

    private static int CountOf(int word) => word & (Closing - 1);

    private bool TryMove(int word, int next)
    {
        Debug.Assert(IsLegal(next), "A descriptor is open as long as there is a reference.");
        return Interlocked.CompareExchange(ref _word, next, word) == word;
    }
}
