namespace KestrelEventLoopTransport.Dialing;

/// <summary>How a dial has ended, as it is counted.</summary>
internal enum DialOutcome
{
    /// <summary>There is a connection.</summary>
    Connected,

    /// <summary>The caller has given it up.</summary>
    Canceled,

    /// <summary>Its time was up, or the kernel's.</summary>
    TimedOut,

    /// <summary>Nothing listens there.</summary>
    Refused,

    /// <summary>No route leads there.</summary>
    Unreachable,

    /// <summary>The name has no address, or the resolver has failed.</summary>
    NotResolved,

    /// <summary>Anything else: the hook, descriptors, addresses, permissions.</summary>
    Failed,
}
