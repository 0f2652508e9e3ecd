using System.Net;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// What a <see cref="LoadBalancer"/> can base its choice on: the accepted connection and the connections of each loop.
/// </summary>
public readonly ref struct LoadBalancingContext
{
    private readonly ReadOnlySpan<LoopLoad> _loads;
    private readonly ReadOnlySpan<byte> _socketAddress;

    internal LoadBalancingContext(ReadOnlySpan<LoopLoad> loads, int acceptingLoop, ReadOnlySpan<byte> socketAddress)
    {
        _loads = loads;
        _socketAddress = socketAddress;
        AcceptingLoop = acceptingLoop;
    }

    /// <summary>Number of loops: <see cref="EventLoopTransportOptions.EventLoopCount"/>.</summary>
    public int LoopCount => _loads.Length;

    /// <summary>
    /// Number of the loop that accepted the connection. With <see cref="AcceptMode.ListenerPerLoop"/> it is the
    /// kernel's choice, and returning it keeps the connection there.
    /// </summary>
    public int AcceptingLoop { get; }

    /// <summary>
    /// The client's IP address without the port, in network order: 4 bytes for IPv4, 16 bytes for IPv6. The address of
    /// an IPv4 client of a dual-mode endpoint has 4 bytes. Empty for a Unix client. Behind a proxy that sends the PROXY
    /// protocol (<see cref="EndpointOptions.ProxyProtocol"/>) it is the address of the proxy's client.
    /// </summary>
    public ReadOnlySpan<byte> RemoteAddress => SocketAddressBytes.GetIPAddress(_socketAddress);

    /// <summary>The client's endpoint. Each call allocates a new object.</summary>
    public EndPoint RemoteEndPoint => SocketAddressBytes.ToEndPoint(_socketAddress);

    /// <summary>
    /// Returns the number of connections that are assigned to a loop and are not yet disposed, of all endpoints.
    /// </summary>
    /// <param name="loop">The loop's number, from 0 to <see cref="LoopCount"/> - 1.</param>
    /// <returns>The number of connections. Other threads may change it at any time.</returns>
    /// <exception cref="IndexOutOfRangeException"><paramref name="loop"/> is out of range.</exception>
    public int GetConnectionCount(int loop) => _loads[loop].Current;

    internal ReadOnlySpan<LoopLoad> Loads => _loads;
}
