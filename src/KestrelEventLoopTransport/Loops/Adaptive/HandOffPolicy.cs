namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// When a loop goes to another thread. A blocked thread is replaced at once. One that computes is replaced when a
/// processor is free, or when it has computed for long.
/// </summary>
/// <param name="threshold">How long a callback may keep its loop.</param>
/// <param name="processors">The number of processors.</param>
internal sealed class HandOffPolicy(TimeSpan threshold, int processors)
{
    // Without a free processor, a callback may compute for this many thresholds. Twice as long for every further round
    // of all processors that is computing already: busy threads should not outnumber processors much.
    private const int ComputingThresholds = 10;
    private const int MaxDoublings = 6;

    /// <summary>Whether a callback's loop is to be handed off, if something waits for the loop.</summary>
    /// <param name="blocked">Whether its thread is blocked.</param>
    /// <param name="overdue">How long it has run since it was first seen.</param>
    /// <param name="computing">How many overdue callbacks compute, this one included.</param>
    internal bool Allows(bool blocked, TimeSpan overdue, int computing) => blocked || overdue >= Patience(computing);

    /// <summary>How long a callback may compute.</summary>
    private TimeSpan Patience(int computing)
    {
        var rounds = computing / processors;
        return rounds == 0 ? threshold / 2 : threshold * (ComputingThresholds << Math.Min(rounds - 1, MaxDoublings));
    }
}
