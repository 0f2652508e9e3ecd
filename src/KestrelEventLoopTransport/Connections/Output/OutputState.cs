using System.Diagnostics;

namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// The state of a connection's output in one atomic word. The writer, the sender, the loop, the supervisor, a closing
/// thread and a canceling thread all move it, by the functions of <see cref="OutputTransitions"/>.
/// </summary>
internal struct OutputState
{
    private volatile OutputFlags _flags;

    internal readonly OutputFlags Flags => _flags;

    internal readonly bool Has(OutputFlags bits) => (_flags & bits) != 0;

    /// <summary>Makes a transition.</summary>
    internal OutputMove Make(Func<OutputFlags, OutputMove> transition)
    {
        while (true)
        {
            var move = transition(_flags);
            if (TryMake(move))
            {
                return move;
            }
        }
    }

    /// <summary>Makes a transition that depends on an argument.</summary>
    internal OutputMove Make<T>(Func<OutputFlags, T, OutputMove> transition, T argument)
    {
        while (true)
        {
            var move = transition(_flags, argument);
            if (TryMake(move))
            {
                return move;
            }
        }
    }

    /// <summary>
    /// Makes a transition unless the state has changed since. A transition that changes nothing needs no atomic
    /// operation: it was true when the state was read.
    /// </summary>
    internal bool TryMake(OutputMove move)
    {
        Debug.Assert(OutputTransitions.IsLegal(move.After), $"{move} leads to a legal state.");
        return move.After == move.Before
            || Interlocked.CompareExchange(ref _flags, move.After, move.Before) == move.Before;
    }
}
