namespace KestrelEventLoopTransport;

/// <summary>Who accepts the connections of an endpoint.</summary>
public enum AcceptMode
{
    /// <summary>One listening socket, and one loop that accepts for all.</summary>
    SharedListener = 0,

    /// <summary>
    /// One listening socket per loop, bound to the same address and port by <c>SO_REUSEPORT</c> (<c>socket(7)</c>). The
    /// kernel spreads connections over them and all loops accept at the same time. For IP endpoints; other ones have a
    /// shared listener, and so have all on macOS, where one of the sockets would get all connections. FreeBSD
    /// (<c>SO_REUSEPORT_LB</c>) also lets in a process of the same user that asks for a share.
    /// </summary>
    ListenerPerLoop = 1,
}
