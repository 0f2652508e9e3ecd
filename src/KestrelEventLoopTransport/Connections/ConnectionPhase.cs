namespace KestrelEventLoopTransport.Connections;

/// <summary>How far the end of a connection has come. A phase is never left for an earlier one.</summary>
internal enum ConnectionPhase
{
    /// <summary>The halves receive and send. An aborted connection may still receive what its peer sent last.</summary>
    Open,

    /// <summary>Both halves are being stopped. The one that stops last closes the descriptor.</summary>
    Closing,

    /// <summary>The connection is rid of its descriptor: it is closed, or lingers on its own.</summary>
    Closed,
}
