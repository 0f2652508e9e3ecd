using System.Net;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>What a <see cref="LoadBalancer"/> chooses by: a connection that has been accepted, and the loops.</summary>
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

    /// <summary>Number of loops, <see cref="EventLoopTransportOptions.EventLoopCount"/>.</summary>
    public int LoopCount => _loads.Length;

    /// <summary>
    /// The loop that has accepted the connection. To return it keeps a connection where it is: with
    /// <see cref="AcceptMode.ListenerPerLoop"/> the kernel's choice.
    /// </summary>
    public int AcceptingLoop { get; }

    /// <summary>
    /// The client's IP address without the port: 4 bytes, or 16 for IPv6, in network order. An IPv4 client of a
    /// dual-stack endpoint has 4. Empty for a Unix client.
    /// </summary>
    public ReadOnlySpan<byte> RemoteAddress => SocketAddressBytes.GetIPAddress(_socketAddress);

    /// <summary>The client's endpoint; made anew by each call.</summary>
    public EndPoint RemoteEndPoint => SocketAddressBytes.ToEndPoint(_socketAddress);

    /// <summary>
    /// Number of connections that are assigned to a loop and not yet disposed of, of all endpoints.
    /// </summary>
    /// <param name="loop">The loop's number, from 0 to <see cref="LoopCount"/> - 1.</param>
    /// <returns>The number of connections; other loops may be changing it.</returns>
    /// <exception cref="IndexOutOfRangeException">There is no such loop.</exception>
    public int GetConnectionCount(int loop) => _loads[loop].Current;

    internal ReadOnlySpan<LoopLoad> Loads => _loads;
}
