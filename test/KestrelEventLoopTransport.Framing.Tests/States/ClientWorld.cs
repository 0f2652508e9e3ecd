namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>A client and those who use it, between two of their steps.</summary>
internal readonly record struct ClientWorld
{
    public FrameClientState State { get; init; }

    public ClientPlace Task { get; init; }

    /// <summary>How often the application will still start and stop the client.</summary>
    public int Starts { get; init; }

    public int Stops { get; init; }

    /// <summary>How many attempts will still have an outcome. Later ones hang until they are cancelled.</summary>
    public int Attempts { get; init; }

    /// <summary>Those who stop the client and have not cancelled the task yet.</summary>
    public int Closers { get; init; }

    public bool IsCancelled { get; init; }

    /// <summary>Whether those who wait for a connection have got it.</summary>
    public bool IsPublished { get; init; }

    /// <summary>How often those who wait were told that there will be no connection.</summary>
    public int Completions { get; init; }

    /// <summary>The first promise that was broken.</summary>
    public string? Broken { get; init; }

    public ClientWorld Break(string promise) => this with { Broken = Broken ?? promise };
}
