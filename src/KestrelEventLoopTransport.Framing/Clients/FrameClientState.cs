namespace KestrelEventLoopTransport.Framing;

/// <summary>What a <see cref="FrameClient"/> is doing.</summary>
public enum FrameClientState
{
    /// <summary>It has not been started.</summary>
    NotStarted = 0,

    /// <summary>It opens a connection, or <see cref="FrameHandler.OnConnectedAsync"/> runs.</summary>
    Connecting = 1,

    /// <summary>There is a connection that frames can be sent to.</summary>
    Connected = 2,

    /// <summary>There is no connection. It waits before it tries again.</summary>
    Waiting = 3,

    /// <summary>It is being stopped, and its connection is being closed.</summary>
    Stopping = 4,

    /// <summary>It has been stopped, for good.</summary>
    Stopped = 5,
}
