namespace KestrelEventLoopTransport;

/// <summary>How many listening sockets an endpoint has, and which loops accept its connections.</summary>
/// <seealso cref="EndpointOptions.AcceptMode"/>
public enum AcceptMode
{
    /// <summary>The endpoint has one listening socket. One loop accepts for all loops.</summary>
    SharedListener = 0,

    /// <summary>
    /// Each loop has a listening socket of its own on the same address and port (<c>SO_REUSEPORT</c>,
    /// <c>socket(7)</c>). The kernel spreads connections over the sockets, and all loops accept at the same time.
    /// </summary>
    /// <remarks>
    /// Applies to IP endpoints only; other endpoints have a shared listener. macOS has a shared listener for every
    /// endpoint, because its kernel would give all connections to one of the sockets. On FreeBSD
    /// (<c>SO_REUSEPORT_LB</c>), another process of the same user can join the port and gets a share of the
    /// connections.
    /// </remarks>
    ListenerPerLoop = 1,
}
