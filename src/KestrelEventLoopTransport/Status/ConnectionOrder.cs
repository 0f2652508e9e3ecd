namespace KestrelEventLoopTransport.Status;

/// <summary>By what the connections that are shown are chosen: those with the most of it.</summary>
internal enum ConnectionOrder
{
    /// <summary>Time since the connection was made.</summary>
    Age,

    /// <summary>Time since it has received or sent anything.</summary>
    Idle,

    /// <summary>Bytes that wait for the application or for the kernel.</summary>
    Buffered,

    /// <summary>Round-trip time.</summary>
    Rtt,

    /// <summary>Segments that were sent again.</summary>
    Retransmits,
}
