namespace KestrelEventLoopTransport.Descriptors;

/// <summary>What a thread that moved <see cref="Readiness"/> has to do now.</summary>
[Flags]
internal enum ReadinessChange
{
    None = 0,

    /// <summary>An operation was parked, and the thread goes on with it.</summary>
    Unparked = 1,

    /// <summary>No system call will be made any more: the thread gives the descriptor up.</summary>
    Released = 2,

    /// <summary>The thread tells the loop's watch.</summary>
    Watched = 4,
}
