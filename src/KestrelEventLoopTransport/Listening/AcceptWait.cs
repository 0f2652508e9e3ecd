using System.Diagnostics;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The state of the wait of an accept queue, one atomic word, and its transitions.</summary>
/// <remarks>
/// <para>The legal states:</para>
/// <list type="bullet">
/// <item><c>None</c>: no accept waits, or its wait is claimed.</item>
/// <item><c>Waiting</c>: an accept waits. The thread that clears the bit has claimed the wait and completes it.</item>
/// <item><c>Canceled</c>: the token of the pending accept has fired.</item>
/// <item><c>Completed</c>, <c>Canceled | Completed</c>: no connection will be added any more, for good.</item>
/// </list>
/// <para>
/// <c>Canceled</c> and <c>Completed</c> end a wait and let no new one begin, so <c>Waiting</c> stands alone.
/// </para>
/// </remarks>
internal struct AcceptWait
{
    private int _word;

    [Flags]
    internal enum State
    {
        None = 0,
        Waiting = 1,
        Canceled = 2,
        Completed = 4,
    }

    /// <summary>
    /// Begins a wait. False when the token has fired or the end has come: then the accept completes at once.
    /// </summary>
    internal bool TryWait() => Move(WithWait);

    /// <summary>
    /// Claims the wait for a connection. A full fence in any case: a thread that has added a connection and a thread
    /// that begins to wait cannot miss each other.
    /// </summary>
    internal bool TryClaim()
    {
        const int Waiting = (int)State.Waiting;
        return Interlocked.CompareExchange(ref _word, (int)WithClaim(State.Waiting).Next, Waiting) == Waiting;
    }

    /// <summary>The token has fired. True when the caller has claimed the wait.</summary>
    internal bool Cancel() => Move(WithCancel);

    /// <summary>No connection will be added any more. True when the caller has claimed the wait.</summary>
    internal bool Complete() => Move(WithComplete);

    /// <summary>Ends the pending accept. True when its token has fired.</summary>
    internal bool TakeCanceled()
        => ((State)Volatile.Read(ref _word) & State.Canceled) != 0 && Move(WithoutCanceled);

    internal static (State Next, bool Waits) WithWait(State state)
    {
        Debug.Assert((state & State.Waiting) == 0, "One accept at a time waits.");
        return state == State.None ? (State.Waiting, true) : (state, false);
    }

    internal static (State Next, bool Claims) WithClaim(State state)
        => state == State.Waiting ? (State.None, true) : (state, false);

    internal static (State Next, bool Claims) WithCancel(State state)
        => ((state | State.Canceled) & ~State.Waiting, (state & State.Waiting) != 0);

    internal static (State Next, bool Claims) WithComplete(State state)
        => ((state | State.Completed) & ~State.Waiting, (state & State.Waiting) != 0);

    internal static (State Next, bool WasCanceled) WithoutCanceled(State state)
        => (state & ~State.Canceled, (state & State.Canceled) != 0);

    internal static bool IsLegal(State state)
        => state == State.Waiting || (state & ~(State.Canceled | State.Completed)) == 0;

    private bool Move(Func<State, (State Next, bool Result)> transition)
    {
        while (true)
        {
            var state = (State)Volatile.Read(ref _word);
            var (next, result) = transition(state);
            Debug.Assert(IsLegal(next), "The states at the top are all there are.");
            if (Interlocked.CompareExchange(ref _word, (int)next, (int)state) == (int)state)
            {
                return result;
            }
        }
    }
}
