namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>The bits of <see cref="WatchWord"/>.</summary>
[Flags]
internal enum WatchState
{
    /// <summary>The supervisor is awake. It owns the notes.</summary>
    Awake = 0,

    /// <summary>
    /// The supervisor sleeps until application code begins, or is about to. The thread that clears the bit wakes it.
    /// </summary>
    Asleep = 1,

    /// <summary>The supervisor waits for its clock. A loop may take the notes.</summary>
    Open = 2,

    /// <summary>A loop looks in the supervisor's place. It owns the notes.</summary>
    Looking = 4,
}
