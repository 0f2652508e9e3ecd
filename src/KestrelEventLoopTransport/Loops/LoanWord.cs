namespace KestrelEventLoopTransport.Loops;

/// <summary>A <see cref="LoanState"/> that the loop's thread and threads of the pool move at the same time.</summary>
internal struct LoanWord
{
    private int _state;

    internal readonly LoanState State => (LoanState)Volatile.Read(in _state);

    /// <summary>Makes a move. Returns the state before and after.</summary>
    internal (LoanState Before, LoanState After) Make(Func<LoanState, LoanState> transition)
    {
        while (true)
        {
            var before = State;
            var after = transition(before);
            if (before == after
                || Interlocked.CompareExchange(ref _state, (int)after, (int)before) == (int)before)
            {
                return (before, after);
            }
        }
    }
}
