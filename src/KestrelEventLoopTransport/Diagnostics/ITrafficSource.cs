namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>Something with open sockets.</summary>
internal interface ITrafficSource
{
    /// <summary>What the sockets that are open now have carried. Any thread may ask.</summary>
    Traffic ReadOpen();
}
