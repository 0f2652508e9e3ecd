namespace KestrelEventLoopTransport.Framing.Clients;

/// <summary>What the caller of a transition has to do.</summary>
internal enum ClientAction
{
    None,

    /// <summary>Begin to connect, again and again until the client is stopped.</summary>
    Run,

    /// <summary>Hand the connection to those who wait for it.</summary>
    Publish,

    /// <summary>Give up the attempt or the wait, or close the connection.</summary>
    Close,

    /// <summary>Tell those who wait that there will be no connection.</summary>
    End,

    /// <summary>Throw: a client runs once.</summary>
    Refuse,
}
