namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// One look at every activity and every loop. The thread that owns the notes (<see cref="WatchWord"/>) calls.
/// </summary>
/// <param name="loops">The loops.</param>
/// <param name="scanner">Looks at the activities.</param>
/// <param name="pace">Hears of a look by a loop.</param>
/// <param name="handOffs">Looks after the loops whose callback is overdue.</param>
internal sealed class SupervisorLook(
    SupervisedLoop[] loops, ActivityScanner scanner, SupervisorPace pace, HandOffs handOffs)
{
    /// <summary>How many callbacks had begun at the last look since the one before.</summary>
    internal int Begun => scanner.Begun;

    /// <summary>Whether callbacks ran, or waited for the thread pool, at the last look.</summary>
    internal bool Runs { get; private set; }

    /// <summary>
    /// Whether loops may do without the supervisor: no callback that was seen before still runs with its loop, and none
    /// waits for the thread pool.
    /// </summary>
    internal bool IsCalm { get; private set; } = true;

    private bool HasPooled => Array.Exists(loops, static supervised => supervised.Loop.Callbacks.HasPooled);

    /// <summary>The supervisor looks, and hands loops off.</summary>
    internal void Look()
    {
        var result = scanner.Scan();
        if ((result & ScanResult.Overdue) != 0)
        {
            handOffs.Run();
        }

        foreach (var supervised in loops)
        {
            supervised.Loop.Callbacks.OfferBack();
        }

        var hasPooled = HasPooled;
        IsCalm = (result & ScanResult.Kept) == 0 && !hasPooled;
        Runs = (result & ScanResult.Running) != 0 || hasPooled;
    }

    /// <summary>A loop looks in the supervisor's place. False when the supervisor has to.</summary>
    internal bool TryLookForSupervisor()
    {
        if (HasPooled || !scanner.TryNoteAll())
        {
            return false;
        }

        _ = pace.Advance();
        return true;
    }
}
