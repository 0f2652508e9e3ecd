namespace KestrelEventLoopTransport.Connections;

/// <summary>What has made a connection and counts it.</summary>
internal interface IConnectionOwner
{
    /// <summary>Whether a connection waits in an accept queue until the application takes it.</summary>
    bool HasAcceptQueue => false;

    /// <summary>
    /// A connection is about to close its descriptor, or to let it linger. Called once, on any thread. Does not throw.
    /// </summary>
    void OnClosing(StreamConnection connection)
    {
    }

    /// <summary>
    /// A connection's descriptor is closed, so the process may open another one. Called once for each connection, on
    /// any thread.
    /// </summary>
    void OnDescriptorClosed();

    /// <summary>
    /// The connection is rid of its descriptor, which is closed or lingers on its own. The application may still use
    /// the connection object. Called once, on any thread.
    /// </summary>
    void OnClosed(StreamConnection connection);

    /// <summary>
    /// The connection is disposed as well, and nothing uses its loop's memory any more. Called once, on any thread.
    /// </summary>
    void OnFinished()
    {
    }
}
