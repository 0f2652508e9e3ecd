using KestrelEventLoopTransport.Framing.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>A connection's turn and those that use it, between two of their steps.</summary>
internal readonly record struct TurnWorld
{
    public TurnFlags Flags { get; init; }

    public LoopPlace Loop { get; init; }

    /// <summary>
    /// How often the loop will still deliver frames. The first time it calls OnConnectedAsync instead.
    /// </summary>
    public int Batches { get; init; }

    public bool IsConnected { get; init; }

    /// <summary>What was due when the loop began to deliver frames, and has not run since.</summary>
    public TurnFlags DueBefore { get; init; }

    /// <summary>How often the work item is in the thread pool's queue.</summary>
    public int Items { get; init; }

    /// <summary>How many work items run callbacks.</summary>
    public int Runners { get; init; }

    /// <summary>How often ticks and wakes will still be asked for.</summary>
    public int Asks { get; init; }

    /// <summary>What was asked for, and neither withdrawn nor run since.</summary>
    public TurnFlags Owed { get; init; }

    /// <summary>The first promise that was broken.</summary>
    public string? Broken { get; init; }

    public int Holders => Runners + (Loop is LoopPlace.Delivering or LoopPlace.BeforeDue or LoopPlace.Leaving
        or LoopPlace.Ended ? 1 : 0);

    public TurnWorld Break(string promise) => this with { Broken = Broken ?? promise };
}
