namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>What ends a read, whatever there is to read.</summary>
internal enum ReadInterruption : byte
{
    None,

    /// <summary><c>CancelPendingRead</c>.</summary>
    Canceled,

    /// <summary>The read deadline.</summary>
    TimedOut,
}
