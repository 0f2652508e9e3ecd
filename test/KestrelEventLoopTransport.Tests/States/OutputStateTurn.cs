using KestrelEventLoopTransport.Connections.Output;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>One thread in one world, about to make a step.</summary>
/// <param name="World">The world.</param>
/// <param name="Own">The thread.</param>
/// <param name="Set">Puts the thread into a world.</param>
/// <param name="Bug">Replaces a transition by one with a bug.</param>
internal readonly record struct OutputStateTurn(
    OutputStateWorld World,
    OutputStateThread Own,
    Func<OutputStateWorld, OutputStateThread, OutputStateWorld> Set,
    Func<string, OutputMove, OutputMove> Bug)
{
    internal OutputFlags Flags => World.Flags;

    internal OutputStateTurn In(OutputStateWorld world) => this with { World = world };

    internal OutputStateTurn As(OutputStateThread own) => this with { Own = own };

    /// <summary>The step has changed nothing but the thread and what <see cref="In"/> has changed.</summary>
    internal OutputStateWorld End() => Set(World, Own);

    internal OutputStateWorld GoTo(int place) => Set(World, Own with { Place = place });

    internal OutputStateWorld GoTo(SendStep step) => Set(World, Own with { Sending = step });

    /// <summary>Makes a transition. What it asks for is what the thread does next.</summary>
    internal OutputStateWorld Make(string name, OutputMove move, int? place = null)
    {
        move = Bug(name, move);
        var next = Own with { Place = place ?? Own.Place, Todo = Own.Todo | move.Action, Seen = 0, Number = 0 };
        return Set(World with { Flags = move.After }, next);
    }
}
