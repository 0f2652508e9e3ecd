namespace KestrelEventLoopTransport.Connections;

/// <summary>What has happened to a connection that ends. A flag stays set, except for <see cref="Lingers"/>.</summary>
[Flags]
internal enum ConnectionEndFlags
{
    None = 0,

    /// <summary>The connection was aborted.</summary>
    Aborted = 1,

    /// <summary>The abort resets the connection: closing the descriptor sends a RST.</summary>
    Resets = 2,

    /// <summary>The descriptor lingers instead of being closed. An abort clears the flag.</summary>
    Lingers = 4,

    /// <summary>One thread is completing both pipes for <c>DisposeAsync</c>, or has done so.</summary>
    Disposing = 8,

    /// <summary>Both pipes are completed.</summary>
    Disposed = 16,

    /// <summary>One thread is firing <c>ConnectionClosed</c>, or has done so.</summary>
    Announcing = 32,

    /// <summary>The callbacks of <c>ConnectionClosed</c> have run.</summary>
    Announced = 64,

    /// <summary>The peer has finished sending: its FIN is known. What it sent before may still be unread.</summary>
    PeerFinished = 128,

    /// <summary>The input has received the peer's FIN, and everything before it.</summary>
    ReceivingEnded = 256,

    /// <summary>Nothing can be sent any more: the output has sent its FIN, or the peer is gone.</summary>
    SendingEnded = 512,

    /// <summary>The application has taken the token that says that the peer has finished.</summary>
    TokenTaken = 1024,

    /// <summary>The callbacks of that token have run.</summary>
    TokenFired = 2048,

    /// <summary>
    /// A time limit has ended the connection. The halves are stopped when the callbacks of <c>ConnectionClosed</c> have
    /// run.
    /// </summary>
    Expired = 4096,
}
