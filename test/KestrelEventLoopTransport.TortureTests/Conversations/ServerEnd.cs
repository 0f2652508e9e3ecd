namespace KestrelEventLoopTransport.TortureTests;

/// <summary>How the server's handler ends a connection.</summary>
internal enum ServerEnd
{
    /// <summary>Returns when it has read the client's FIN and sent everything.</summary>
    AfterFin,

    /// <summary>Returns when it has read and sent everything.</summary>
    AfterLastByte,

    /// <summary>Returns after some bytes, leaving the rest unread.</summary>
    Leave,

    /// <summary>Aborts with a reason after some bytes.</summary>
    Abort,

    /// <summary>Aborts without a reason after some bytes.</summary>
    AbortWithoutReason,

    /// <summary>Another thread aborts at some time.</summary>
    AbortFromOutside,

    /// <summary>Completes the output with an error after some bytes.</summary>
    CompleteWithError,

    /// <summary>Another thread disposes after some bytes, while a read is pending.</summary>
    DisposeWhileReading,
}
