using System.Diagnostics;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// An <see cref="OutboxState"/> that the thread of the handler and the supervisor move at the same time.
/// </summary>
internal struct OutboxWord
{
    private int _value;

    internal readonly OutboxState State => new(Volatile.Read(in _value));

    /// <inheritdoc cref="OutboxState.Begin"/>
    internal void Begin()
    {
        while (true)
        {
            var state = State;
            var next = state.Begin();
            if (next == state || TryMove(state, next))
            {
                return;
            }
        }
    }

    /// <inheritdoc cref="OutboxState.Append"/>
    internal bool TryAppend()
    {
        while (true)
        {
            var state = State;
            var (next, isAdded) = state.Append();
            if (!isAdded || TryMove(state, next))
            {
                return isAdded;
            }
        }
    }

    /// <summary>True: the caller sends the messages and then calls <see cref="EndSend"/>.</summary>
    /// <param name="count">How many there are.</param>
    internal bool TryTake(out int count)
    {
        while (true)
        {
            var state = State;
            var (next, sends) = state.Take();
            count = next.Count;
            if (!sends || TryMove(state, next))
            {
                return sends;
            }
        }
    }

    /// <inheritdoc cref="TryTake"/>
    internal bool TryUncork(out int count)
    {
        while (true)
        {
            var state = State;
            var (next, sends) = state.Uncork();
            count = next.Count;
            if (next == state || TryMove(state, next))
            {
                return sends;
            }
        }
    }

    /// <inheritdoc cref="OutboxState.EndSend"/>
    internal void EndSend()
    {
        while (true)
        {
            var state = State;
            Debug.Assert(state.IsSending, "The thread that moved to sending ends it.");
            if (TryMove(state, state.EndSend()))
            {
                return;
            }
        }
    }

    private bool TryMove(OutboxState from, OutboxState to)
    {
        Debug.Assert(to.IsLegal, "Legal states are listed in OutboxState.");
        return Interlocked.CompareExchange(ref _value, to.Value, from.Value) == from.Value;
    }
}
