namespace KestrelEventLoopTransport.Descriptors;

/// <summary>
/// The state of one direction of a descriptor that is read on demand: a connection's input, a listener's accept
/// queue. One atomic word, because the reader, the loop, a canceller and a closer all move it.
/// </summary>
/// <remarks>
/// <para>
/// Three owners follow from the word. <see cref="Busy"/>: one thread is inside a system call on the descriptor and
/// nobody closes it. <see cref="Parked"/>: an operation waits, and whoever clears the bit goes on with it, exactly one
/// thread. <see cref="Released"/>: no system call will be made any more; who sets it gives the descriptor up.
/// </para>
/// <para>
/// No edge is lost. <see cref="TryBegin"/> takes <see cref="Ready"/> away <em>before</em> the system call, so an edge
/// during the call sets it again and <see cref="TryPark"/> then refuses. An operation is claimed by setting any bit
/// that ends a wait.
/// </para>
/// </remarks>
internal struct Readiness
{
    /// <summary>
    /// The poller reported an edge that no system call has answered yet. Set by the loop, or by an owner of the
    /// operation that cannot wait for the loop.
    /// </summary>
    internal const int Ready = 1;

    /// <summary>An operation waits. Set by its owner, cleared by whoever resumes it.</summary>
    internal const int Parked = 2;

    /// <summary>A thread is inside a system call. Set and cleared by that thread.</summary>
    internal const int Busy = 4;

    /// <summary>
    /// The pending or next operation is to end as cancelled. Set by anyone, cleared by the operation.
    /// </summary>
    internal const int Canceled = 8;

    /// <summary>The cancellation token of the pending operation fired. Cleared by the operation.</summary>
    internal const int TokenCanceled = 16;

    /// <summary>
    /// A short read no longer proves that nothing is left: the end of the stream, an error or urgent data is in the
    /// queue, and its edge has been. Set by the loop, for good.
    /// </summary>
    internal const int ReadOn = 32;

    /// <summary>
    /// The consumer is finished: buffers are given back. Set by the consumer or by dispose, for good.
    /// </summary>
    internal const int Completed = 64;

    /// <summary>No new system call: the descriptor is about to be closed. Set by a closer, for good.</summary>
    internal const int Stopped = 128;

    /// <summary>No system call runs or will run. Set once, by the closer or by the thread that was busy.</summary>
    internal const int Released = 256;

    /// <summary>We are closing: nothing is read for the consumer any more. Set by the closing side, for good.</summary>
    internal const int Closing = 512;

    /// <summary>The peer has finished sending, and that is no reset. Set by the loop, for good.</summary>
    internal const int Finished = 1024;

    /// <summary>
    /// The connection is over: it has failed, and the next read tells how, or it was aborted after the peer's FIN. Set
    /// by the loop, a sender or the aborting side, for good.
    /// </summary>
    internal const int Broken = 2048;

    /// <summary>A read was claimed and waits to be resumed by queued work. Cleared when it is.</summary>
    internal const int Claimed = 4096;

    /// <summary>
    /// Bytes, or the end of the stream, were received ahead of the reader and wait for it. Set by who received them,
    /// cleared by the reader that takes them.
    /// </summary>
    internal const int Held = 8192;

    /// <summary>What is held ends with the end of the stream. Set with <see cref="Held"/>, for good.</summary>
    internal const int EndHeld = 16384;

    /// <summary>
    /// The loop asks again in a moment whether the reader has answered the edge. Set by who hands the descriptor to the
    /// loop's watch, cleared by the watch when it lets go of it.
    /// </summary>
    internal const int Watched = 32768;

    /// <summary>
    /// As much is held as may be: nothing more is received ahead until the reader has made room. Set by who received,
    /// cleared by who then goes on.
    /// </summary>
    internal const int Full = 65536;

    private const int Wakes = Ready | Held | Canceled | TokenCanceled | Completed | Closing | Stopped;

    // Nobody receives ahead any more.
    private const int NotAhead = Stopped | Closing | Completed;

    private int _word;

    internal readonly bool Has(int bits) => (Volatile.Read(in _word) & bits) != 0;

    /// <summary>Sets bits that end a wait. True when the caller now owns the operation that was parked.</summary>
    internal bool Signal(int bits)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if (Interlocked.CompareExchange(ref _word, (word | bits) & ~Parked, word) == word)
            {
                return (word & Parked) != 0;
            }
        }
    }

    /// <summary>Clears a bit. True when it was set.</summary>
    internal bool Take(int bit)
        => (Volatile.Read(ref _word) & bit) != 0 && (Interlocked.And(ref _word, ~bit) & bit) != 0;

    /// <summary>Sets a bit that ends no wait.</summary>
    internal void Note(int bit) => Interlocked.Or(ref _word, bit);

    /// <summary>Waits for the next signal, unless one has come already.</summary>
    internal bool TryPark()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);

            // What a busy thread is about to answer does not keep the operation from waiting: that thread resumes it.
            var wakes = (word & Busy) != 0 ? Wakes & ~(Ready | Held) : Wakes;
            if ((word & wakes) != 0)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _word, word | Parked, word) == word)
            {
                return true;
            }
        }
    }

    /// <summary>
    /// Answers an edge: true when there was one and the caller may now make a system call. Ends with
    /// <see cref="End"/>.
    /// </summary>
    internal bool TryBegin(int unless = Stopped)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if ((word & (Ready | unless | Stopped | Busy)) != Ready)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _word, (word & ~Ready) | Busy, word) == word)
            {
                return true;
            }
        }
    }

    /// <summary>
    /// The loop saw an edge. The operation that was parked is the caller's now; without one, the edge is watched unless
    /// somebody is bound to answer it.
    /// </summary>
    internal ReadinessChange SignalEdge(int bits)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var next = (word | bits) & ~Parked;
            if ((word & (Parked | Busy | Claimed | NotAhead)) == 0)
            {
                next |= Watched;
            }

            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return Compare(word, next);
            }
        }
    }

    /// <summary>
    /// Begins to take what is held, also when no system call may be made any more. Ends with <see cref="EndReceive"/>.
    /// </summary>
    internal bool TryBeginTake()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if ((word & (Held | Busy)) != Held)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _word, word | Busy, word) == word)
            {
                return true;
            }
        }
    }

    /// <summary>
    /// Ends a receive. An edge that is left unanswered is watched if <paramref name="watches"/>; an operation that has
    /// parked meanwhile and can go on is the caller's.
    /// </summary>
    internal ReadinessChange EndReceive(int set, int clear, bool watches)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var next = (word & ~(Busy | clear)) | set;
            if ((watches || (word & Ready) != 0) && (next & (Ready | Parked | NotAhead)) == Ready)
            {
                next |= Watched;
            }

            if ((word & (Stopped | Released)) == Stopped)
            {
                next |= Released;
            }

            if ((next & Wakes) != 0)
            {
                next &= ~Parked;
            }

            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return Compare(word, next);
            }
        }
    }

    /// <summary>Hands an unanswered edge to the watch. True when the caller has to tell it.</summary>
    internal bool TryWatch()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if ((word & (Ready | Parked | Busy | Watched | NotAhead)) != Ready)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _word, word | Watched, word) == word)
            {
                return true;
            }
        }
    }

    /// <summary>
    /// Whether a watched edge is still unanswered. If not, or if there is no room for what it tells of, the watch has
    /// let go.
    /// </summary>
    internal bool StaysWatched()
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var isFull = (word & (Full | Broken)) == Full;
            if (!isFull && (word & (Ready | NotAhead)) == Ready)
            {
                return true;
            }

            if (Interlocked.CompareExchange(ref _word, word & ~Watched, word) == word)
            {
                return false;
            }
        }
    }

    private static ReadinessChange Compare(int before, int after)
        => ((before & ~after & Parked) != 0 ? ReadinessChange.Unparked : 0)
            | ((after & ~before & Released) != 0 ? ReadinessChange.Released : 0)
            | ((after & ~before & Watched) != 0 ? ReadinessChange.Watched : 0);

    /// <summary>
    /// Ends a system call. With <paramref name="more"/>, the descriptor is ready still. True when the caller has
    /// to give the descriptor up, since it was stopped meanwhile.
    /// </summary>
    internal bool End(bool more)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var next = word & ~Busy;
            if (more)
            {
                next |= Ready;
            }

            if ((word & Stopped) != 0)
            {
                next |= Released;
            }

            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return (word & Stopped) != 0;
            }
        }
    }

    /// <summary>
    /// Allows no further system call. <paramref name="released"/>: the caller has to give the descriptor up (else the
    /// busy thread will). <paramref name="claimed"/>: the caller owns the operation that was parked.
    /// </summary>
    internal void Stop(out bool released, out bool claimed)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            if ((word & Stopped) != 0)
            {
                released = claimed = false;
                return;
            }

            released = (word & Busy) == 0;
            claimed = (word & Parked) != 0;
            var next = (word | Stopped | (released ? Released : 0)) & ~Parked;
            if (Interlocked.CompareExchange(ref _word, next, word) == word)
            {
                return;
            }
        }
    }
}
