namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>How far the client's task has come.</summary>
internal enum ClientPlace
{
    /// <summary>There is no task.</summary>
    None,

    /// <summary>It is about to connect.</summary>
    BeforeConnect,

    Dialing,

    /// <summary>It has a connection.</summary>
    Open,

    Waiting,

    /// <summary>It has seen that it shall stop, and everything is closed.</summary>
    Ending,

    Ended,
}
