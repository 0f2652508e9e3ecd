namespace KestrelEventLoopTransport.Connections;

/// <summary>Whoever made a connection and keeps account of it.</summary>
internal interface IConnectionOwner
{
    /// <summary>The connection is disposed of and its descriptor closed. Called once, by any thread.</summary>
    void OnFinished(StreamConnection connection);
}
