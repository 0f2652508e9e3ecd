namespace KestrelEventLoopTransport.Connections;

/// <summary>Whoever made a connection and counts it.</summary>
internal interface IConnectionOwner
{
    /// <summary>There is a free descriptor: that of a connection is closed. Called once, by any thread.</summary>
    void OnDescriptorClosed();

    /// <summary>
    /// The connection's descriptor is closed, or lingers on its own. The application may still hold the connection.
    /// Called once, by any thread.
    /// </summary>
    void OnClosed(StreamConnection connection);
}
