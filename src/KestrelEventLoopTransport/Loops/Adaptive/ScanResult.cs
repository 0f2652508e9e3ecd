namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>What a scan of all activities has found.</summary>
[Flags]
internal enum ScanResult
{
    None = 0,

    /// <summary>A callback runs that its loop waits for.</summary>
    Running = 1,

    /// <summary>Of those, one has run since the last scan.</summary>
    Kept = 2,

    /// <summary>Of those, one has run for some time, so that its loop may be handed off.</summary>
    Overdue = 4,
}
