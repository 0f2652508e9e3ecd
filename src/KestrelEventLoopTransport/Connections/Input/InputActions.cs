namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>What the thread that moved <see cref="InputState"/> has to do now.</summary>
[Flags]
internal enum InputActions
{
    None = 0,

    /// <summary>Resume the read that was parked.</summary>
    Resume = 1 << 0,

    /// <summary>Give up the input's half of the descriptor.</summary>
    Release = 1 << 1,

    /// <summary>Add the input to the loop's watch.</summary>
    Watch = 1 << 2,

    /// <summary>Return the buffers, because the reader was completed while the thread was busy.</summary>
    FreeBuffers = 1 << 3,
}
