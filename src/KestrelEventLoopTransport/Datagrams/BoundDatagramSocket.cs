using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Descriptors.UnixSockets;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>A datagram socket with its options, bound to its address.</summary>
/// <param name="Fd">The descriptor.</param>
/// <param name="Family">The address family.</param>
/// <param name="EndPoint">The address that the kernel reports, with the real port.</param>
/// <param name="IsConnected">Whether the socket has one peer.</param>
/// <param name="File">The file of a Unix socket that is bound to a path.</param>
internal sealed record BoundDatagramSocket(
    int Fd, int Family, EndPoint EndPoint, bool IsConnected, OwnedUnixFile? File = null)
{
    // More than come in the microseconds between bind(2) and connect(2).
    private const int MaxEarlyDatagrams = 10_000;

    /// <summary>
    /// Whether the kernel cuts messages into datagrams. One that cannot would ignore that they are to be cut. A kernel
    /// that has the option of the socket also has it for each message (<c>UDP_SEGMENT</c>, <c>udp(7)</c>, Linux 4.18).
    /// </summary>
    internal bool HasSegmentation => OperatingSystem.IsLinux() && HasOption(Linux.UDP_SEGMENT);

    /// <summary>Whether the kernel joins datagrams for the socket (<c>UDP_GRO</c>, <c>udp(7)</c>).</summary>
    internal bool IsCoalescing { get; private init; }

    /// <summary>Binds the sockets of an endpoint to one address. If one fails, the others are closed.</summary>
    /// <exception cref="AddressInUseException">Another socket is bound to the address.</exception>
    /// <exception cref="SocketException">The address or an option is not available.</exception>
    internal static BoundDatagramSocket[] Bind(EndPoint endPoint, DatagramEndpointOptions options, int count)
    {
        var sockets = new List<BoundDatagramSocket>();
        try
        {
            while (sockets.Count < count)
            {
                // The first bind fails if the address is in use. On Linux the option can be set after it, and the
                // others join; elsewhere all need it.
                var isAlone = count == 1 || (sockets.Count == 0 && OperatingSystem.IsLinux());
                sockets.Add(endPoint is UnixDomainSocketEndPoint unix
                    ? BindUnix(unix, options)
                    : Bind((IPEndPoint)endPoint, options, sharesPort: !isAlone));
                if (isAlone && count > 1)
                {
                    Set(sockets[0].Fd, nameof(options.SocketPerLoop), Platform.SOL_SOCKET, Platform.SO_REUSEPORT, 1);
                }

                endPoint = sockets[0].EndPoint;
            }

            // The kernel gives a copy of a multicast datagram to each socket that has joined the group.
            foreach (var group in options.Multicast.Groups)
            {
                MulticastSocket.Join(sockets[0].Fd, endPoint.AddressFamily, group);
            }

            return [.. sockets];
        }
        catch (Exception exception)
        {
            sockets.ForEach(static socket => socket.Close());
            if (exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                throw new AddressInUseException(exception.Message, exception);
            }

            throw;
        }
    }

    /// <summary>Closes a socket that was not used.</summary>
    internal void Close()
    {
        File?.Delete();
        _ = Libc.close(Fd);
    }

    private static BoundDatagramSocket Bind(IPEndPoint endPoint, DatagramEndpointOptions options, bool sharesPort)
    {
        var isIPv6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        var family = isIPv6 ? Platform.AF_INET6 : Posix.AF_INET;
        var fd = SocketCalls.Create(family, Posix.SOCK_DGRAM);
        try
        {
            SetOptions(fd, endPoint, options, sharesPort || options.ReusePort);
            MulticastSocket.Configure(fd, endPoint.AddressFamily, options.Multicast);
            Configure(fd, endPoint, options.ConfigureSocket);
            SocketCalls.Bind(fd, endPoint);
            if (options.RemoteEndPoint is { } peer)
            {
                Connect(fd, peer);
                DiscardEarly(fd);
            }

            var local = (IPEndPoint)SocketCalls.GetLocalEndPoint(fd);
            return new BoundDatagramSocket(fd, family, local, options.RemoteEndPoint is not null)
            {
                IsCoalescing = options.ReceiveOffload && OperatingSystem.IsLinux() && TryCoalesce(fd),
            };
        }
        catch
        {
            _ = Libc.close(fd);
            throw;
        }
    }

    private static BoundDatagramSocket BindUnix(UnixDomainSocketEndPoint endPoint, DatagramEndpointOptions options)
    {
        using var socket = BoundUnixSocket.Create(endPoint, options.Unix, Posix.SOCK_DGRAM);
        SetBuffers(socket.Fd, options);
        Configure(socket.Fd, endPoint, options.ConfigureSocket);
        socket.Bind();
        var file = socket is { Path: { } path, File: { } identity } ? new OwnedUnixFile(path, identity) : null;
        var local = SocketCalls.GetLocalEndPoint(socket.Fd);
        socket.Release();
        return new BoundDatagramSocket(socket.Fd, Posix.AF_UNIX, local, IsConnected: false, file);
    }

    private static void SetOptions(int fd, IPEndPoint endPoint, DatagramEndpointOptions options, bool sharesPort)
    {
        if (endPoint.AddressFamily == AddressFamily.InterNetworkV6)
        {
            var isDual = options.DualMode ?? endPoint.Address.Equals(IPAddress.IPv6Any);
            Set(fd, nameof(options.DualMode), Posix.IPPROTO_IPV6, Platform.IPV6_V6ONLY, isDual ? 0 : 1);
        }

        SetIf(fd, nameof(options.ReusePort), Platform.SO_REUSEPORT, sharesPort ? 1 : null);
        SetIf(fd, nameof(options.Broadcast), Platform.SO_BROADCAST, options.Broadcast ? 1 : null);
        SetBuffers(fd, options);
        if (OperatingSystem.IsLinux())
        {
            RequestAncillaryData(fd, endPoint);
            RefuseForeignGroups(fd, endPoint);
        }
    }

    private static void SetBuffers(int fd, DatagramEndpointOptions options)
    {
        SetIf(fd, nameof(options.ReceiveBufferSize), Platform.SO_RCVBUF, options.ReceiveBufferSize);
        SetIf(fd, nameof(options.SendBufferSize), Platform.SO_SNDBUF, options.SendBufferSize);
    }

    private static void SetIf(int fd, string option, int name, int? value)
    {
        if (value is { } given)
        {
            Set(fd, option, Platform.SOL_SOCKET, name, given);
        }
    }

    /// <summary>
    /// What the kernel tells with each datagram. A dual-stack socket needs the options of both families: an IPv4 packet
    /// has the type of service of IPv4, and its destination in the form of IPv6; only IPv4 tells where an answer to a
    /// broadcast leaves from.
    /// </summary>
    private static void RequestAncillaryData(int fd, IPEndPoint endPoint)
    {
        if (endPoint.AddressFamily == AddressFamily.InterNetworkV6)
        {
            Request(fd, nameof(Linux.IPV6_RECVPKTINFO), Posix.IPPROTO_IPV6, Linux.IPV6_RECVPKTINFO, 1);
            Request(fd, nameof(Linux.IPV6_RECVTCLASS), Posix.IPPROTO_IPV6, Linux.IPV6_RECVTCLASS, 1);
        }

        Request(fd, nameof(Linux.IP_PKTINFO), Posix.IPPROTO_IP, Linux.IP_PKTINFO, 1);
        Request(fd, nameof(Linux.IP_RECVTOS), Posix.IPPROTO_IP, Linux.IP_RECVTOS, 1);
        Request(fd, nameof(Linux.SO_RXQ_OVFL), Linux.SOL_SOCKET, Linux.SO_RXQ_OVFL, 1);
    }

    /// <summary>
    /// Only the multicast groups that the endpoint has joined are received. By default Linux also delivers groups that
    /// any other socket of the machine has joined (<c>ip(7)</c>).
    /// </summary>
    private static void RefuseForeignGroups(int fd, IPEndPoint endPoint)
    {
        if (endPoint.AddressFamily == AddressFamily.InterNetworkV6)
        {
            Request(fd, nameof(Linux.IPV6_MULTICAST_ALL), Posix.IPPROTO_IPV6, Linux.IPV6_MULTICAST_ALL, 0);
        }

        Request(fd, nameof(Linux.IP_MULTICAST_ALL), Posix.IPPROTO_IP, Linux.IP_MULTICAST_ALL, 0);
    }

    private static bool TryCoalesce(int fd)
        => SocketOption.FromInt32(nameof(Linux.UDP_GRO), Linux.SOL_UDP, Linux.UDP_GRO, 1).TrySet(fd) == 0;

    private unsafe bool HasOption(int name)
    {
        int value;
        uint length = sizeof(int);
        return Libc.getsockopt(Fd, Linux.SOL_UDP, name, &value, &length) == 0;
    }

    private static void Set(int fd, string option, int level, int name, int value)
        => SocketOption.FromInt32(option, level, name, value).Set(fd);

    /// <summary>Sets an option that the application has not asked for. An old kernel may not have it.</summary>
    private static void Request(int fd, string option, int level, int name, int value)
    {
        var request = SocketOption.FromInt32(option, level, name, value);
        if (request.TrySet(fd) is not (0 or Errno.ENOPROTOOPT) and var error)
        {
            throw Errno.ToException(error, $"{option} cannot be set");
        }
    }

    private static void Configure(int fd, EndPoint endPoint, Action<ListenSocketContext>? configure)
    {
        if (configure is null)
        {
            return;
        }

        var context = new ListenSocketContext(fd, endPoint);
        try
        {
            configure(context);
        }
        finally
        {
            context.End();
        }
    }

    private static unsafe void Connect(int fd, IPEndPoint peer)
    {
        var address = peer.Serialize();
        var action = $"connect to {peer}";
        fixed (byte* bytes = address.Buffer.Span)
        {
            SocketCalls.Check(Libc.connect(fd, bytes, (uint)address.Size), action);
        }
    }

    /// <summary>Discards what came between <c>bind(2)</c> and <c>connect(2)</c>: anyone could send it.</summary>
    private static unsafe void DiscardEarly(int fd)
    {
        // A number, so that a peer that sends fast does not hold up the start.
        byte first;
        for (var left = MaxEarlyDatagrams; left > 0 && Libc.recv(fd, &first, 1, 0) >= 0; left--)
        {
        }
    }
}
