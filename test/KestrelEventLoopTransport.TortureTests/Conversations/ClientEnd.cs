namespace KestrelEventLoopTransport.TortureTests;

/// <summary>How the client ends a connection.</summary>
internal enum ClientEnd
{
    /// <summary>FIN after its last byte; then it receives to the end.</summary>
    HalfClose,

    /// <summary>FIN when it has received everything.</summary>
    LateHalfClose,

    /// <summary>Closes after some bytes, whatever else arrives.</summary>
    Close,

    /// <summary>RST after some bytes.</summary>
    Reset,
}
