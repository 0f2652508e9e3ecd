namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>The bits of <see cref="WatchWord"/>.</summary>
[Flags]
internal enum WatchState
{
    /// <summary>The supervisor is awake. It owns the notes.</summary>
    Awake = 0,

    /// <summary>
    /// The supervisor is half-awake: a thread that begins application code makes sure that it looks soon. It owns the
    /// notes.
    /// </summary>
    Drowsy = 1,

    /// <summary>The half-awake supervisor will look soon: its clock is set, or it sleeps for a fixed time.</summary>
    Armed = 2,

    /// <summary>The supervisor waits for its clock. A loop may take the notes.</summary>
    Open = 4,

    /// <summary>A loop looks in the supervisor's place. It owns the notes.</summary>
    Looking = 8,
}
