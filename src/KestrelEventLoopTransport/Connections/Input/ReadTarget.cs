namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>
/// The memory of a stream's caller, which a receive fills in place of blocks. The reader's own, as
/// <see cref="ReadBuffer"/> is.
/// </summary>
internal sealed class ReadTarget
{
    /// <summary>Where the bytes of the read go; empty between reads, and when they go into blocks.</summary>
    internal Memory<byte> Memory { get; set; }

    /// <summary>How many bytes have come.</summary>
    internal int Filled { get; set; }

    /// <summary>A read begins.</summary>
    internal void Begin(Memory<byte> memory)
    {
        Memory = memory;
        Filled = 0;
    }

    /// <summary>The read has ended: nothing may be received into the memory any more.</summary>
    internal void End() => Begin(default);
}
