using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>What owns the loops of datagram endpoints, and shows the endpoints that are bound.</summary>
internal interface IDatagramHost
{
    /// <summary>The loops. The caller releases the reference.</summary>
    EventLoopGroup AcquireGroup();

    void Add(DatagramEndpoint endpoint);

    void Remove(DatagramEndpoint endpoint);
}
