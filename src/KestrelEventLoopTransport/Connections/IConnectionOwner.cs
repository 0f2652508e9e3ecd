namespace KestrelEventLoopTransport.Connections;

/// <summary>Whoever made a connection and counts it.</summary>
internal interface IConnectionOwner
{
    /// <summary>
    /// The connection's descriptor is closed, or lingers on its own. The application may still hold the connection. Called
    /// once, by any thread.
    /// </summary>
    void OnClosed(StreamConnection connection);
}
